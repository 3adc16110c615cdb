import type { Clock } from '../lib/clock.ts'
import type { BrokenRegistration, PendingOutcome } from '../registry/registry.ts'
import type { Creditor, Delivery, DeliveryCause } from './delivery.ts'
import type { DeliveryEvents } from './delivery-events.ts'
import type { Dispatcher } from './dispatcher.ts'
import type { OpenDeliveries } from './open-deliveries.ts'
import type { Parking } from './parking.ts'
import type { RelyingParties } from './relying-party.ts'
import { type Owed, planDeliveries } from './resolve.ts'
import type { Settlement } from './settlement.ts'

export interface AdmissionOptions {
  readonly clock: Clock
  readonly dispatcher: Dispatcher
  readonly events: DeliveryEvents
  readonly open: OpenDeliveries
  readonly parking: Parking
  readonly relyingParties: RelyingParties
  readonly settlement: Settlement
  readonly lateAfterMs: number
  /** Ends a delivery whose outcome is decided and only has to be published. */
  readonly conclude: (delivery: Delivery, pending: PendingOutcome) => void
  /** Ends a delivery whose deadline has passed. */
  readonly expire: (delivery: Delivery) => void
}

/** Where owed registrations become deliveries, from the log and from the backlog alike. */
export class Admission {
  readonly #options: AdmissionOptions

  constructor(options: AdmissionOptions) {
    this.#options = options
  }

  /** Takes over what is owed. Every creditor is told when its registration is settled, or safe in the backlog. */
  admit(owed: readonly Owed[]): void {
    const { clock, conclude, dispatcher, expire, open, relyingParties } = this.#options
    const now = clock.now()
    const isLate = ({ occurredAtMs }: DeliveryCause) => now - occurredAtMs > this.#options.lateAfterMs
    const fresh = owed.filter(({ registration, creditor }) => !open.join(registration, creditor))
    for (const delivery of planDeliveries(fresh, relyingParties, isLate)) {
      open.add(delivery)
      const { pendingOutcome } = delivery.registration
      if (pendingOutcome !== undefined) conclude(delivery, pendingOutcome)
      else if (now >= delivery.deadlineMs) expire(delivery)
      else if (!dispatcher.submit(delivery)) this.park(delivery)
    }
  }

  /** Keeps a delivery for which there is no room now, or whose RP does not answer. */
  park(delivery: Delivery): void {
    const { clock, events, parking } = this.#options
    const { breaker } = delivery.rp
    const dueMs = Math.max(clock.now(), breaker.openUntilMs)
    events.parked(delivery, breaker.isClosed ? 'no-room' : 'breaker-open', dueMs)
    parking.park(delivery, dueMs)
  }

  /** A registration that cannot be read cannot be delivered: it ends as `failed: invalid`. */
  refuse(broken: BrokenRegistration, cause: DeliveryCause, creditor: Creditor | undefined): void {
    const { events, settlement } = this.#options
    const { issuer, sessionId, oidcSessionId, partial, reason } = broken
    const outcome = { kind: 'failed', reason: 'invalid', attempts: 0, lastError: reason } as const
    const subject = { ...partial, issuer, sessionId, oidcSessionId }
    events.settled(outcome, subject, cause)
    settlement.add({ outcome, subject, cause, done: () => creditor?.settled() })
  }
}
