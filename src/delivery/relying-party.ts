import { type LogoutEndpoint, logoutEndpoint } from '../events/logout-endpoint.ts'
import type { SubjectClaims } from '../events/registration.ts'
import type { Clock } from '../lib/clock.ts'
import { Fifo } from '../lib/fifo.ts'
import type { CurrentState } from '../registry/client-history.ts'
import type { RpSettings } from '../registry/rp-settings.ts'
import { Breaker, type BreakerPolicy } from './breaker.ts'
import { ClientStates } from './client-states.ts'
import type { Delivery } from './delivery.ts'
import { type IssuerShare, IssuerShares } from './issuer-shares.ts'
import { Pace } from './pace.ts'
import { ProbeTimeout } from './probe-timeout.ts'
import { Standing } from './standing.ts'

/** What one replica knows of one RP: its settings and what is going on with it. */
export interface RelyingParty {
  /** `<issuer>|<clientId>`: the name of its backlog. */
  readonly key: string
  readonly issuer: string
  readonly clientId: string
  /** What its issuer takes of all bounds. */
  readonly share: IssuerShare
  settings: RpSettings
  /** Of its issuer, where neither its settings nor a registration name any. */
  defaultClaims: SubjectClaims | undefined
  /** Missing for one that is active and never was paused. */
  state: CurrentState | undefined
  /** Where the last attempt went; before the first one nowhere. */
  calledOrigin: string | undefined
  /** When the settings were read last. This and the times below are on the monotonic clock. */
  settingsReadAtMs: number
  readonly breaker: Breaker
  /** Where it was sent to last, and by which URI. */
  uri: string | undefined
  endpoint: LogoutEndpoint | undefined
  readonly standing: Standing
  /** Attempts under way; and those of them that gave their place back. */
  inFlight: number
  lingering: number
  /** When the last attempt ended, or the first of those under way began. */
  movedAtMs: number
  readonly pace: Pace
  /** The delivery whose attempt, under way now, finds out whether the RP is back. */
  probe: Delivery | undefined
  /** When that attempt began. */
  probedAtMs: number
  readonly probeTimeout: ProbeTimeout
  /** Its breaker is open, as the dispatcher has counted it. */
  isSilent: boolean
  /** Deliveries that wait for their first attempt, and those claimed from the backlog for a further one. */
  readonly waitingFirst: Fifo<Delivery>
  readonly waitingRetry: Fifo<Delivery>
  /** The last attempt that was started was a first one: a further one may go before the next. */
  startedFirst: boolean
  /** It has parked deliveries that are due, and had no room for them when they were looked at. */
  hasDueBacklog: boolean
  /** When its backlog was last looked through for deliveries past their deadline. */
  sweptAtMs: number
  /** While it is paused: when what is parked for it was last kept from expiring. */
  keptAtMs: number
  /** It stands among those of its issuer that may start an attempt. */
  hasTurn: boolean
  usedAt: number
  /** Deliveries that ended so since this relay started. */
  sent: number
  failed: number
  /** When the last one failed. Milliseconds since the epoch. */
  failedAtMs: number | undefined
  /** Of the last attempt that failed, until one is accepted. */
  lastError: string | undefined
}

export function waitingAt(rp: RelyingParty): number {
  return rp.waitingFirst.size + rp.waitingRetry.size
}

/**
 * Where a delivery is to be sent to, as its RP is set up now; `undefined` if neither its RP nor its registration says.
 * Remembered, because most RPs have one URI.
 */
export function endpointOf({
  rp,
  registration,
}: Pick<Delivery, 'rp' | 'registration'>): LogoutEndpoint | undefined {
  const uri = rp.settings.backchannelLogoutUri ?? registration.backchannelLogoutUri
  if (uri === undefined) return undefined
  if (rp.endpoint !== undefined && uri === rp.uri) return rp.endpoint
  rp.uri = uri
  rp.endpoint = logoutEndpoint(uri)
  return rp.endpoint
}

/** Nothing may be sent to the RP: it is paused or retired. */
export function isStopped({ rp: { state } }: { readonly rp: Pick<RelyingParty, 'state'> }): boolean {
  return state !== undefined && state.kind !== 'active'
}

/** Of the name of a backlog. An issuer is a URL and holds no bar, so the first one divides. */
export function issuerOf(rpKey: string): string {
  return rpKey.slice(0, rpKey.indexOf('|'))
}

const IDLE_ENTRIES_MAX = 20_000

/** The RPs seen so far; those that are idle are forgotten when there are too many. */
export class RelyingParties {
  readonly shares = new IssuerShares()
  readonly #entries = new Map<string, RelyingParty>()
  readonly #breakerPolicy: BreakerPolicy
  readonly #clock: Clock
  readonly #states: ClientStates
  #uses = 0

  constructor(breakerPolicy: BreakerPolicy, clock: Clock, states = new ClientStates()) {
    this.#breakerPolicy = breakerPolicy
    this.#clock = clock
    this.#states = states
    states.watch((key, state) => {
      const rp = this.#entries.get(key)
      if (rp !== undefined) rp.state = state
    })
  }

  get(issuer: string, clientId: string): RelyingParty {
    const key = `${issuer}|${clientId}`
    let rp = this.#entries.get(key)
    if (rp !== undefined) rp.usedAt = ++this.#uses
    else {
      if (this.#entries.size >= IDLE_ENTRIES_MAX) this.#forgetIdle()
      rp = {
        key,
        issuer,
        clientId,
        share: this.shares.join(issuer),
        settings: {},
        defaultClaims: undefined,
        state: this.#states.of(key),
        calledOrigin: undefined,
        settingsReadAtMs: Number.NEGATIVE_INFINITY,
        breaker: new Breaker(this.#breakerPolicy, this.#clock),
        uri: undefined,
        endpoint: undefined,
        standing: new Standing(1),
        inFlight: 0,
        lingering: 0,
        movedAtMs: 0,
        pace: new Pace(),
        probe: undefined,
        probedAtMs: 0,
        probeTimeout: new ProbeTimeout(),
        isSilent: false,
        waitingFirst: new Fifo(),
        waitingRetry: new Fifo(),
        startedFirst: false,
        hasDueBacklog: false,
        sweptAtMs: Number.NEGATIVE_INFINITY,
        keptAtMs: Number.NEGATIVE_INFINITY,
        hasTurn: false,
        usedAt: ++this.#uses,
        sent: 0,
        failed: 0,
        failedAtMs: undefined,
        lastError: undefined,
      }
      this.#entries.set(key, rp)
    }
    return rp
  }

  /** By the name of its backlog. */
  byKey(key: string): RelyingParty {
    const issuer = issuerOf(key)
    return this.get(issuer, key.slice(issuer.length + 1))
  }

  /** Also of one that this replica has not seen. */
  stateOf(rpKey: string): CurrentState | undefined {
    return this.#states.of(rpKey)
  }

  [Symbol.iterator](): Iterator<RelyingParty> {
    return this.#entries.values()
  }

  #forgetIdle(): void {
    for (const [key, rp] of this.#entries) {
      const isIdle = rp.inFlight === 0 && waitingAt(rp) === 0 && rp.breaker.isClosed
      if (!isIdle || rp.usedAt >= this.#uses - IDLE_ENTRIES_MAX / 2) continue
      this.#entries.delete(key)
      this.shares.leave(rp)
    }
  }
}
