import type { Delivery } from '../delivery/delivery.ts'
import { logoutEndpoint } from '../events/logout-endpoint.ts'
import type { FailureReason, Outcome, OutcomeSubject } from '../events/outcome.ts'
import type { WireRecord } from '../events/wire-record.ts'
import type { Clock } from '../lib/clock.ts'
import { messageOf } from '../lib/errors.ts'
import { withoutIdentifiers } from './without-identifiers.ts'

/** Something that went wrong lately. It holds no user and no session, so that it may be shown to whoever looks. */
export interface Failure {
  readonly kind: 'delivery' | 'dead-letter' | 'fault'
  /** A client id, `topic/partition`, or a part of the relay. */
  readonly what: string
  /** Of a delivery, as everything down to the address: the RP, by `<issuer>|<clientId>`; and why it ended. */
  readonly rpKey?: string
  readonly reason?: FailureReason
  /** Host and port of the RP. */
  readonly host?: string
  readonly why: string
  /** How often it happened in just this way since it was seen first. */
  count: number
  /** The last time. Milliseconds since the epoch. */
  atMs: number
  /** The RP has accepted a logout since. Milliseconds since the epoch. */
  overSinceMs?: number
}

/** What the last attempt at an RP met with, if it did not succeed. */
export interface AttemptProblem {
  readonly host: string
  /** An HTTP status or a code, such as `HTTP 503` or `ECONNREFUSED`, or `blocked`; never what the RP said beside it. */
  readonly error: string
  /** Milliseconds since the epoch. */
  readonly atMs: number
}

const FAILURES_MAX = 20
const RPS_MAX = 500

/**
 * The last things that went wrong, for the status page. Repetitions are counted instead of kept, so that an RP which
 * rejects everything does not hide the rest. While no RP has troubles nothing is done here for a delivery that succeeds.
 */
export class RecentFailures {
  readonly #clock: Clock
  /** By what makes them the same, the latest last. */
  readonly #failures = new Map<string, Failure>()
  readonly #problems = new Map<string, AttemptProblem>()
  /** RPs that have not accepted a logout since they had a problem or a failure. */
  readonly #troubled = new Map<string, true>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** The latest first. */
  get list(): Failure[] {
    return [...this.#failures.values()].reverse()
  }

  /** Some RP has not accepted a logout since it had a problem or a failure. */
  get isAnyTroubled(): boolean {
    return this.#troubled.size > 0
  }

  /** By `<issuer>|<clientId>`; only the last few hundred RPs that have a problem are known. */
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
    this.#trouble(rp.key)
  }

  /** The RP took a logout: what it had before is over. Call it while there `isAnyTroubled`. */
  accepted(rpKey: string): void {
    if (!this.#troubled.delete(rpKey)) return
    this.#problems.delete(rpKey)
    // An invalid registration stays so.
    for (const failure of this.#failures.values())
      if (failure.rpKey === rpKey && failure.reason !== 'invalid') failure.overSinceMs ??= this.#clock.now()
  }

  failed(outcome: Extract<Outcome, { kind: 'failed' }>, subject: OutcomeSubject): void {
    const { clientId = 'unknown', backchannelLogoutUri, issuer } = subject
    const uri = outcome.origin ?? backchannelLogoutUri
    const code = codeIn(outcome.lastStatus, outcome.lastError)
    const { reason } = outcome
    const rpKey = `${issuer}|${clientId}`
    this.#add({
      kind: 'delivery',
      what: clientId,
      rpKey,
      reason,
      why: code === undefined || code === reason ? reason : `${reason}: ${code}`,
      ...(uri !== undefined && { host: hostOf(uri) }),
    })
    this.#trouble(rpKey)
  }

  poisoned({ topic, partition }: WireRecord, type: string, reason: string): void {
    const why = withoutIdentifiers(type === 'unknown' ? reason : `${type}: ${reason}`)
    this.#add({ kind: 'dead-letter', what: `${topic}/${partition}`, why })
  }

  fault(part: string, error: unknown): void {
    this.#add({ kind: 'fault', what: part, why: withoutIdentifiers(messageOf(error)) })
  }

  #add(failure: Omit<Failure, 'count' | 'atMs'>): void {
    const { kind, rpKey, what, why } = failure
    const key = JSON.stringify([kind, rpKey ?? what, why])
    const count = (this.#failures.get(key)?.count ?? 0) + 1
    this.#failures.delete(key)
    this.#failures.set(key, { ...failure, count, atMs: this.#clock.now() })
    dropOldest(this.#failures, FAILURES_MAX)
  }

  #trouble(rpKey: string): void {
    this.#troubled.delete(rpKey)
    this.#troubled.set(rpKey, true)
    dropOldest(this.#troubled, RPS_MAX)
  }
}

/** RPs repeat what they were sent, so of an error's text only the code before it is taken. */
function codeIn(status: number | undefined, error: string | undefined): string | undefined {
  if (status !== undefined) return `HTTP ${status}`
  return /^([A-Z][A-Z0-9_]{2,63}|blocked)\b/.exec(error ?? '')?.[0]
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
