import type { AttemptResult } from '../egress/sender.ts'
import type { Outcome, OutcomeSubject } from '../events/outcome.ts'
import type { Verdict } from './classify.ts'
import type { Delivery, DeliveryCause } from './delivery.ts'

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

/** What the delivery core tells the outside; each becomes a counter and a log line in one place. */
export interface DeliveryEvents {
  attempted(report: AttemptReport): void
  settled(outcome: Outcome, subject: OutcomeSubject, cause: DeliveryCause): void
  /** A delivery waits in the backlog without having been attempted now. */
  parked(delivery: Delivery, why: 'no-room' | 'draining', dueMs: number): void
}
