import type { Delivery } from './delivery.ts'
import type { Dispatcher } from './dispatcher.ts'
import type { OpenDeliveries } from './open-deliveries.ts'

export interface StrandedOptions {
  readonly abandon: (delivery: Delivery) => void
  readonly dispatcher: Pick<Dispatcher, 'submit'>
  readonly open: Pick<OpenDeliveries, 'setAside'>
}

const WAITING_MAX = 1_000

/**
 * Deliveries that there was no room for and that cannot be parked, because somebody else has taken the place of their RP's
 * backlog. While the RP answers they wait here for room, and their records with them; when it does not, or they are too
 * many, they end as failed.
 */
export class Stranded {
  readonly #options: StrandedOptions
  #waiting: Delivery[] = []
  #isStopped = false

  constructor(options: StrandedOptions) {
    this.#options = options
  }

  take(delivery: Delivery): void {
    // Their records are not committed, and come to the next process.
    if (this.#isStopped) return
    if (!mayWait(delivery) || this.#waiting.length >= WAITING_MAX) {
      this.#options.abandon(delivery)
      return
    }
    this.#options.open.setAside(delivery)
    this.#waiting.push(delivery)
  }

  /** To be called now and then. */
  submit(): void {
    if (this.#waiting.length === 0) return
    const waiting = this.#waiting
    this.#waiting = []
    for (const delivery of waiting) {
      if (!mayWait(delivery)) this.#options.abandon(delivery)
      else if (!this.#options.dispatcher.submit(delivery)) this.#waiting.push(delivery)
    }
  }

  stop(): void {
    this.#isStopped = true
    this.#waiting = []
  }
}

/** What was attempted already waits for a time that may be far away. */
function mayWait({ attempts, rp }: Delivery): boolean {
  return attempts === 0 && rp.breaker.isClosed && rp.state?.kind !== 'paused'
}
