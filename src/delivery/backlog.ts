import type { Registration } from '../events/registration.ts'
import type { Delivery, DeliveryCause } from './delivery.ts'

/** What a parked delivery keeps beside the name of its registration: never a token, never the claims. */
export interface ParkedState {
  readonly attempts: number
  readonly doubtful: number
  /** Milliseconds since the epoch. */
  readonly deadlineMs: number
  readonly lastStatus?: number
  readonly lastError?: string
  /** Where the last attempt went. */
  readonly origin?: string
  readonly cause: DeliveryCause
}

/** Names a parked delivery: the RP's backlog, the registration in it, and the trigger by which it is owed. */
export interface ParkedName {
  /** `<issuer>|<clientId>` */
  readonly rpKey: string
  readonly issuer: string
  readonly sessionId: string
  readonly oidcSessionId: string
  readonly state: Pick<ParkedState, 'cause' | 'deadlineMs'>
}

export interface ParkedDelivery extends ParkedName {
  /** Milliseconds since the epoch. */
  readonly dueMs: number
  /** Its registration must live until then even if its deadline is earlier. Milliseconds since the epoch. */
  readonly keptUntilMs?: number
  readonly state: ParkedState
}

/** What names a delivery of one of its registrations. */
export function parkedName(
  { rp, cause, deadlineMs }: Delivery,
  { issuer, sessionId, oidcSessionId }: Registration,
): ParkedName {
  return { rpKey: rp.key, issuer, sessionId, oidcSessionId, state: { cause, deadlineMs } }
}

/** A delivery that nobody has attempted, as it is parked. `dueMs`: milliseconds since the epoch. */
export function unattempted(
  {
    cause,
    deadlineMs,
    registration: { issuer, clientId, sessionId, oidcSessionId },
  }: {
    readonly cause: DeliveryCause
    readonly deadlineMs: number
    readonly registration: Pick<Registration, 'issuer' | 'clientId' | 'sessionId' | 'oidcSessionId'>
  },
  dueMs: number,
): ParkedDelivery {
  const state = { attempts: 0, doubtful: 0, deadlineMs, cause }
  return { rpKey: `${issuer}|${clientId}`, issuer, sessionId, oidcSessionId, dueMs, state }
}

/** A delivery that was started in time has ended by then, even if its process was busy. */
const ATTEMPT_SLACK_MS = 1_000

/** When a first attempt that may be under way somewhere must have ended. Milliseconds since the epoch. */
export function firstAttemptEndMs(nowMs: number, attemptTimeoutMs: number): number {
  return nowMs + attemptTimeoutMs + ATTEMPT_SLACK_MS
}

/** Why a delivery ends that can neither be attempted now nor be kept until it can. */
export const NO_BACKLOG =
  'it cannot be parked: another application uses the backlog key of its RP in Redis (see the check redis-keys)'

export type Holder = 'caller' | 'backlog' | 'nobody'

/**
 * Deliveries that are not due yet, per RP, shared by all replicas. Every method is idempotent and throws when the
 * store cannot be reached.
 */
export interface Backlog {
  /**
   * Keeps the deliveries until they are due; one that is parked already gets the new due time and state. When this
   * resolves, the delivery survives the process, and its registration outlives its deadline. Resolves with the RPs that have
   * no backlog, because its place holds something else: nothing of theirs is kept.
   */
  park(deliveries: readonly ParkedDelivery[]): Promise<ReadonlySet<string>>
  /** RPs that have a delivery due, the longest due first, from the given rank on. A hint: another replica may be faster. */
  dueRps(nowMs: number, from: number, limit: number): Promise<string[]>
  /** Of these RPs, those that have nothing due now are not among `dueRps` any more before they have. */
  tidyIndex(rpKeys: readonly string[], nowMs: number): Promise<void>
  /**
   * Takes due deliveries of one RP, oldest first. Each is leased: no other replica gets it before `leaseUntilMs`,
   * and then it is due again, should this replica have died. Of several for one registration, which two triggers may
   * cause, only one is leased at a time.
   */
  claim(rpKey: string, nowMs: number, leaseUntilMs: number, limit: number): Promise<ParkedDelivery[]>
  /**
   * Takes deliveries of one RP whose deadline has passed, due or not, under leases as `claim` gives them. Looks at so many as
   * `looked` says, in the order of their due times from the given rank on. Resolves also with the rank to go on from: 0 when
   * no more are due.
   */
  claimExpired(
    rpKey: string,
    nowMs: number,
    leaseUntilMs: number,
    limit: number,
    looked: { readonly from: number; readonly count: number },
  ): Promise<{ readonly claimed: readonly ParkedDelivery[]; readonly next: number }>
  /**
   * Parks deliveries under a lease of the caller, as though it had parked and claimed them. Answers for each who has it
   * now: the caller; or the backlog, where what is parked already or leased by somebody is left as it is, and safe; or
   * nobody, where the RP has no backlog, as `park` tells.
   */
  hold(deliveries: readonly ParkedDelivery[], nowMs: number, leaseUntilMs: number): Promise<Holder[]>
  /**
   * Makes parked deliveries due now; one that is leased is left to whoever holds it. One that is not parked may be under
   * its first attempt somewhere: it is parked, due as given and leased until then, in case that never ends. Resolves as
   * `park` does.
   */
  makeDue(deliveries: readonly ParkedDelivery[], nowMs: number): Promise<ReadonlySet<string>>
  /** The registrations of all that is parked for the RP live until then at least. Milliseconds since the epoch. */
  keep(rpKey: string, untilMs: number): Promise<void>
  /** Ends parked deliveries: settled, or without a registration. */
  remove(names: readonly ParkedName[]): Promise<void>
  /** How many deliveries are parked, per RP, for at most `limit` RPs, with the due time of the oldest. */
  sizes(limit: number): Promise<{ rpKey: string; size: number; nextDueMs: number }[]>
  /**
   * The earliest deadline among the deliveries parked for each RP, in milliseconds since the epoch; `undefined` for an
   * RP without any. Of a large backlog only its ends are looked at: what waits longest stands first, and what was
   * tried most often is put off farthest.
   */
  earliestDeadlines(rpKeys: readonly string[]): Promise<(number | undefined)[]>
}
