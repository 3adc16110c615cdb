interface Expiring {
  /** On the monotonic clock. */
  readonly endsAtMs: number
  readonly isOver: boolean
}

/** Ended items that may stay before the queue is swept. */
const ENDED_MIN = 256

/**
 * Items with a deadline. Ended items are swept out in bulk: a `Set` would link each outgrown table, with its items, to the
 * next one until the next full garbage collection.
 */
export class DeadlineQueue<T extends Expiring> {
  #items: T[] = []
  #ended = 0

  /** When the next item expires. */
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

  ended(): void {
    this.#ended++
  }

  /** Removes and returns the items that expired by `now` and have not ended. */
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
