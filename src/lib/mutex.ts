/** Admits one caller at a time, in the order of the calls. */
export class Mutex {
  #last: Promise<void> = Promise.resolve()

  /** Resolves with the function that releases the mutex, after all earlier callers have released it. */
  async acquire(): Promise<() => void> {
    const before = this.#last
    let end!: () => void
    this.#last = new Promise((resolve) => {
      end = resolve
    })
    await before
    return end
  }
}
