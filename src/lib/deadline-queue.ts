interface Expiring {
  /** On the monotonic clock. */
  readonly endsAtMs: number
  readonly isOver: boolean
}

/** Ended items that may stay before the queue is swept. */
const ENDED_MIN = 256

/**
 * Things that run out. What ended by itself is swept out now and then, all at
 * once: a `Set` would keep every table that it outgrew linked to the next, and with them what they held, until the
 * next full garbage collection.
 */
export class DeadlineQueue<T extends Expiring> {
  #items: T[] = []
  #ended = 0

  /** When the next of them runs out. */
  get nextEndsAtMs(): number | undefined {
    this.#sweep()
    let next: number | undefined
    for (const { endsAtMs } of this.#items) if (next === undefined || endsAtMs < next) next = endsAtMs
    return next
  }

  push(item: T): void {
    if (this.#ended > ENDED_MIN && this.#ended * 2 > this.#items.length) this.#sweep()
    this.#items.push(item)
  }

  /** One of the items is over. */
  ended(): void {
    this.#ended++
  }

  /** Takes out what has run out by `now` and is not over. */
  takeUntil(now: number): T[] {
    const expired = this.#items.filter((item) => !item.isOver && item.endsAtMs <= now)
    if (expired.length > 0) this.#items = this.#items.filter((item) => !item.isOver && item.endsAtMs > now)
    return expired
  }

  #sweep(): void {
    this.#items = this.#items.filter((item) => !item.isOver)
    this.#ended = 0
  }
}
