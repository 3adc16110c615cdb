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

/**
 * What one replica knows of one RP: its settings and what is going on with it. A class without object literals on the way to
 * it: V8 does not optimize a function that holds a literal of a shape which has changed since, and tries for ever.
 */
export class RelyingParty {
  /** `<issuer>|<clientId>`: the name of its backlog. */
  readonly key: string
  readonly issuer: string
  readonly clientId: string
  /** What its issuer takes of all bounds. */
  readonly share: IssuerShare
  settings: RpSettings = {}
  /** Of its issuer, where neither its settings nor a registration name any. */
  defaultClaims: SubjectClaims | undefined = undefined
  /** Missing for one that is active and never was paused. */
  state: CurrentState | undefined = undefined
  /** Where the last attempt went; before the first one nowhere. */
  calledOrigin: string | undefined = undefined
  /** When the settings were read last. This and the times below are on the monotonic clock. */
  settingsReadAtMs = Number.NEGATIVE_INFINITY
  readonly breaker: Breaker
  /** Where it was sent to last, and by which URI. */
  uri: string | undefined = undefined
  endpoint: LogoutEndpoint | undefined = undefined
  readonly standing = new Standing(1)
  /** Attempts under way; and those of them that gave their place back. */
  inFlight = 0
  lingering = 0
  /** When the last attempt ended, or the first of those under way began. */
  movedAtMs = Number.NEGATIVE_INFINITY
  readonly pace = new Pace()
  /** The delivery whose attempt, under way now, finds out whether the RP is back. */
  probe: Delivery | undefined = undefined
  /** When that attempt began. */
  probedAtMs = Number.NEGATIVE_INFINITY
  readonly probeTimeout = new ProbeTimeout()
  /** Its breaker is open, as the dispatcher has counted it. */
  isSilent = false
  /** Deliveries that wait for their first attempt, and those claimed from the backlog for a further one. */
  readonly waitingFirst = new Fifo<Delivery>()
  readonly waitingRetry = new Fifo<Delivery>()
  /** The last attempt that was started was a first one: a further one may go before the next. */
  startedFirst = false
  /** It has parked deliveries that are due, and had no room for them when they were looked at. */
  hasDueBacklog = false
  /** When its backlog was last looked through for deliveries past their deadline. */
  sweptAtMs = Number.NEGATIVE_INFINITY
  /** The rank in its backlog from which the next such look goes on. */
  sweptTo = 0
  /** While it is paused: when what is parked for it was last kept from expiring. */
  keptAtMs = Number.NEGATIVE_INFINITY
  /** It stands among those of its issuer that may start an attempt. */
  hasTurn = false
  usedAt = 0
  /** Deliveries that ended so since this relay started. */
  sent = 0
  failed = 0
  /** When the last one failed. Milliseconds since the epoch. */
  failedAtMs: number | undefined = undefined
  /** Of the last attempt that failed, until one is accepted. */
  lastError: string | undefined = undefined

  constructor(key: string, issuer: string, clientId: string, share: IssuerShare, breaker: Breaker) {
    this.key = key
    this.issuer = issuer
    this.clientId = clientId
    this.share = share
    this.breaker = breaker
  }
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
    const known = this.#entries.get(key)
    const rp = known ?? this.#join(key, issuer, clientId)
    rp.usedAt = ++this.#uses
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

  #join(key: string, issuer: string, clientId: string): RelyingParty {
    if (this.#entries.size >= IDLE_ENTRIES_MAX) this.#forgetIdle()
    const breaker = new Breaker(this.#breakerPolicy, this.#clock)
    const rp = new RelyingParty(key, issuer, clientId, this.shares.join(issuer), breaker)
    rp.state = this.#states.of(key)
    this.#entries.set(key, rp)
    return rp
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
