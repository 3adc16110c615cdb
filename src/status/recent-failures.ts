import type { Delivery } from '../delivery/delivery.ts'
import { logoutEndpoint } from '../events/logout-endpoint.ts'
import type { Outcome, OutcomeSubject } from '../events/outcome.ts'
import type { WireRecord } from '../events/wire-record.ts'
import type { Clock } from '../lib/clock.ts'
import { messageOf } from '../lib/errors.ts'
import { withoutIdentifiers } from './without-identifiers.ts'

/** Something that went wrong lately. It holds no user and no session, so that it may be shown to whoever looks. */
export interface Failure {
  readonly kind: 'delivery' | 'dead-letter' | 'fault'
  /** A client id, `topic/partition`, or a part of the relay. */
  readonly what: string
  /** Host and port of the RP. */
  readonly host?: string
  readonly why: string
  /** How often it happened in just this way since it was seen first. */
  count: number
  /** The last time. Milliseconds since the epoch. */
  atMs: number
}

/** What the last attempt at an RP that did not succeed met with. */
export interface AttemptProblem {
  readonly host: string
  /** An HTTP status or a code, such as `HTTP 503` or `ECONNREFUSED`; never what the RP said beside it. */
  readonly error: string
  /** Milliseconds since the epoch. */
  readonly atMs: number
}

const FAILURES_MAX = 20
const RPS_MAX = 500

/**
 * The last things that went wrong, for the status page. Repetitions are counted instead of kept, so that an RP which
 * rejects everything does not hide the rest. Nothing is done here for a delivery that succeeds.
 */
export class RecentFailures {
  readonly #clock: Clock
  /** By what makes them the same, the latest last. */
  readonly #failures = new Map<string, Failure>()
  readonly #problems = new Map<string, AttemptProblem>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** The latest first. */
  get list(): Failure[] {
    return [...this.#failures.values()].reverse()
  }

  /** By `<issuer>|<clientId>`; only the last few hundred RPs that had a problem are known. */
  problemAt(rpKey: string): AttemptProblem | undefined {
    return this.#problems.get(rpKey)
  }

  attemptFailed({ rp, registration, origin, lastStatus, lastError }: Delivery): void {
    const uri = origin ?? registration.backchannelLogoutUri
    const error = codeIn(lastStatus, lastError)
    if (error === undefined) return
    this.#problems.delete(rp.key)
    this.#problems.set(rp.key, { host: uri === undefined ? '' : hostOf(uri), error, atMs: this.#clock.now() })
    dropOldest(this.#problems, RPS_MAX)
  }

  failed(outcome: Extract<Outcome, { kind: 'failed' }>, subject: OutcomeSubject): void {
    const { clientId = 'unknown', backchannelLogoutUri } = subject
    const uri = outcome.origin ?? backchannelLogoutUri
    const code = codeIn(outcome.lastStatus, outcome.lastError)
    this.#add({
      kind: 'delivery',
      what: clientId,
      why: code === undefined ? outcome.reason : `${outcome.reason}: ${code}`,
      ...(uri !== undefined && { host: hostOf(uri) }),
    })
  }

  poisoned({ topic, partition }: WireRecord, type: string, reason: string): void {
    const why = withoutIdentifiers(type === 'unknown' ? reason : `${type}: ${reason}`)
    this.#add({ kind: 'dead-letter', what: `${topic}/${partition}`, why })
  }

  fault(part: string, error: unknown): void {
    this.#add({ kind: 'fault', what: part, why: withoutIdentifiers(messageOf(error)) })
  }

  #add(failure: Omit<Failure, 'count' | 'atMs'>): void {
    const { kind, what, why } = failure
    const key = JSON.stringify([kind, what, why])
    const count = (this.#failures.get(key)?.count ?? 0) + 1
    this.#failures.delete(key)
    this.#failures.set(key, { ...failure, count, atMs: this.#clock.now() })
    dropOldest(this.#failures, FAILURES_MAX)
  }
}

/** RPs repeat what they were sent, so of an error's text only the code before it is taken. */
function codeIn(status: number | undefined, error: string | undefined): string | undefined {
  if (status !== undefined) return `HTTP ${status}`
  return /^[A-Z][A-Z0-9_]{2,63}\b/.exec(error ?? '')?.[0]
}

function hostOf(uri: string): string {
  try {
    const { origin } = logoutEndpoint(uri)
    return origin.slice(origin.indexOf('//') + 2)
  } catch {
    return 'unreadable'
  }
}

function dropOldest(map: Map<string, unknown>, max: number): void {
  for (const key of map.keys()) {
    if (map.size <= max) return
    map.delete(key)
  }
}
