import type { DeliveryCore } from '../delivery/delivery-core.ts'
import { delay } from '../lib/deferred.ts'
import type { FollowOutcomes } from './follow-outcomes.ts'
import type { Patience } from './patience.ts'
import type { Redelivery } from './redelivery.ts'
import type { ReplayBook } from './replay-book.ts'

export interface AftermathOptions {
  readonly book: ReplayBook
  readonly core: {
    readonly open: Pick<DeliveryCore['open'], 'size'>
    readonly settlement: Pick<DeliveryCore['settlement'], 'size'>
  }
  readonly follow: FollowOutcomes
  readonly onNote: (text: string) => void
  readonly patience: Patience
  readonly redelivery: Redelivery
}

const LOOK_MS = 500
const OPEN_LOOK_MS = 10

/** Waits for what a run has handed on: its own deliveries, those that were parked, and those of other processes. */
export class Aftermath {
  readonly #options: AftermathOptions

  constructor(options: AftermathOptions) {
    this.#options = options
  }

  /**
   * Resolves when every delivery has its outcome; or is parked or under way in another process, and `waitMs` have passed;
   * or patience ends.
   */
  async settle(waitMs: number): Promise<void> {
    const { book, patience, redelivery } = this.#options
    const untilMs = performance.now() + waitMs
    await this.#coreIdle()
    if (redelivery.left > 0 && waitMs > 0) this.#tellOfLeft()
    while (book.counts.parked > 0 && performance.now() < untilMs && !patience.signal.aborted) {
      await this.#followOthers()
    }
  }

  /** Resolves when nothing is under way that would be lost with a process: what is not settled is parked. Or patience ends. */
  async nothingHeld(): Promise<void> {
    const { patience, redelivery } = this.#options
    await this.#coreIdle()
    if (redelivery.left > 0) this.#tellOfLeft()
    while (redelivery.left > 0 && !patience.signal.aborted) await this.#followOthers()
  }

  /** What other processes have settled counts, and what they have given up is taken over. */
  async #followOthers(): Promise<void> {
    const { book, patience, redelivery } = this.#options
    await this.#look()
    await redelivery.takeOver(() => this.#look())
    await this.#coreIdle()
    if (book.counts.parked > 0) await delay(LOOK_MS, patience.signal)
  }

  async #look(): Promise<void> {
    const { follow, patience } = this.#options
    await follow.look(patience.signal).catch((error: unknown) => {
      if (!patience.signal.aborted) throw error
    })
  }

  async #coreIdle(): Promise<void> {
    const { core, patience } = this.#options
    while (core.open.size + core.settlement.size > 0 && !patience.signal.aborted) {
      await delay(OPEN_LOOK_MS, patience.signal)
    }
  }

  #tellOfLeft(): void {
    const { onNote, redelivery } = this.#options
    onNote(
      `${redelivery.left} deliveries are under way in another process; should it have died, they are taken over within two minutes`,
    )
  }
}
