const SAMPLE_MS = 50
const AVERAGED_MS = 400

/** How fast attempts at one RP end while there are any: a sliding average, by time. */
export class Pace {
  #perMs = 0
  #ended = 0
  #busyMs = 0

  /** Attempts that end per millisecond; 0 until it has been seen. */
  get perMs(): number {
    return this.#perMs
  }

  /** `sinceMs`: since the attempt before ended, or since this one began when there was none under way. */
  ended(sinceMs: number): void {
    this.#ended++
    this.#busyMs += sinceMs
    if (this.#busyMs < SAMPLE_MS) return
    const sample = this.#ended / this.#busyMs
    const weight = this.#perMs === 0 ? 1 : Math.min(this.#busyMs / AVERAGED_MS, 1)
    this.#perMs += (sample - this.#perMs) * weight
    this.#ended = 0
    this.#busyMs = 0
  }
}
