import type { Outcome } from '../events/outcome.ts'
import type { Clock } from '../lib/clock.ts'
import { parkedName } from './backlog.ts'
import { type Delivery, type DeliveryCause, subjectsOf } from './delivery.ts'
import type { DeliveryEvents } from './delivery-events.ts'
import type { OpenDeliveries } from './open-deliveries.ts'
import { countOutcome } from './remember-attempt.ts'
import type { Settlement } from './settlement.ts'

export interface DeliveryEndOptions {
  readonly clock: Pick<Clock, 'now'>
  readonly events: Pick<DeliveryEvents, 'settled' | 'concluded'>
  readonly open: OpenDeliveries
  readonly settlement: Settlement
}

/** Ends deliveries with an outcome: one per registration, also where one token told the RP of several. */
export class DeliveryEnd {
  readonly #options: DeliveryEndOptions

  constructor(options: DeliveryEndOptions) {
    this.#options = options
  }

  settle(delivery: Delivery, outcome: Outcome): void {
    countOutcome(delivery, outcome, this.#options.clock.now())
    for (const subject of subjectsOf(delivery)) {
      this.#options.events.settled(outcome, subject, delivery.cause)
    }
    this.#publish(delivery, outcome, delivery.cause)
  }

  /** The same with an outcome that somebody else has decided and counted. */
  conclude(delivery: Delivery, outcome: Outcome, cause: DeliveryCause): void {
    for (const subject of subjectsOf(delivery)) this.#options.events.concluded(outcome, subject, cause)
    this.#publish(delivery, outcome, cause)
  }

  #publish(delivery: Delivery, outcome: Outcome, cause: DeliveryCause): void {
    const { open, settlement } = this.#options
    const subjects = subjectsOf(delivery)
    let left = subjects.length
    open.takeBack(delivery)
    const done = (): void => {
      if (--left === 0) open.settle(delivery)
    }
    for (const subject of subjects) {
      settlement.add({
        outcome,
        subject,
        cause,
        done,
        ...(delivery.isHeld && { parked: parkedName(delivery, subject) }),
      })
    }
  }
}
