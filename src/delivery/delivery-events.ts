import type { AttemptResult } from '../egress/sender.ts'
import type { Outcome, OutcomeSubject } from '../events/outcome.ts'
import type { Verdict } from '../transports/transport.ts'
import type { Delivery, DeliveryCause } from './delivery.ts'
import type { RelyingParty } from './relying-party.ts'

export interface AttemptReport {
  readonly delivery: Delivery
  readonly attemptNumber: number
  readonly jti: string
  readonly result: AttemptResult
  readonly verdict: Verdict
  readonly durationMs: number
  /** What follows: nothing, a further attempt at a time, or one at once over a new connection. */
  readonly next: { readonly retryDueMs: number } | 'resend' | 'none'
}

/** Its RP has enough that waits here, is not being sent to, or is paused; or the service ends. */
export type ParkReason = 'no-room' | 'breaker-open' | 'paused' | 'draining'

/** What the delivery core tells the outside; each becomes a counter and a log line in one place. */
export interface DeliveryEvents {
  attempted(report: AttemptReport): void
  settled(outcome: Outcome, subject: OutcomeSubject, cause: DeliveryCause): void
  /** The outcome of an earlier attempt, by another replica perhaps, is published now; `settled` told of it before. */
  concluded(outcome: Outcome, subject: OutcomeSubject, cause: DeliveryCause): void
  /** A delivery waits in the backlog without having been attempted now. */
  parked(delivery: Delivery, why: ParkReason, dueMs: number): void
  /** An RP does not answer: nothing is sent to it for `cooldownMs`. Also when a probe failed and it stays so. */
  breakerOpened(rp: RelyingParty, cooldownMs: number): void
  breakerClosed(rp: RelyingParty): void
}
