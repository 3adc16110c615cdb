/** Lets one caller at a time through, in the order of asking. */
export class Mutex {
  #last: Promise<void> = Promise.resolve()

  /** Resolves with the function that ends the turn, when all earlier turns have ended. */
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
