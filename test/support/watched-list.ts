interface Waiter<T> {
  readonly matches: (item: T) => boolean
  readonly resolve: (item: T) => void
  readonly reject: (error: Error) => void
}

/** A list that grows while somebody waits for a certain item in it. */
export class WatchedList<T> {
  readonly items: T[] = []
  readonly #waiters = new Set<Waiter<T>>()
  readonly #onAdded: ((item: T) => void)[] = []
  #end: (() => Error) | undefined

  add(item: T): void {
    this.items.push(item)
    for (const onAdded of this.#onAdded) onAdded(item)
    for (const waiter of this.#waiters) if (waiter.matches(item)) waiter.resolve(item)
  }

  /** Tells of each item that is added from now on. */
  watch(onAdded: (item: T) => void): void {
    this.#onAdded.push(onAdded)
  }

  /** Nothing will be added any more: whoever waits, now or later, gets this error. */
  end(error: () => Error): void {
    this.#end = error
    for (const waiter of this.#waiters) waiter.reject(error())
  }

  /** Resolves with the first item that matches, an earlier one included; throws `late()` when the time is over. */
  async waitFor(matches: (item: T) => boolean, timeoutMs: number, late: () => Error): Promise<T> {
    const found = this.items.find(matches)
    if (found !== undefined) return found
    if (this.#end !== undefined) throw this.#end()
    const { promise, resolve, reject } = Promise.withResolvers<T>()
    const waiter = { matches, resolve, reject }
    this.#waiters.add(waiter)
    const timer = setTimeout(() => reject(late()), timeoutMs)
    try {
      return await promise
    } finally {
      clearTimeout(timer)
      this.#waiters.delete(waiter)
    }
  }
}
