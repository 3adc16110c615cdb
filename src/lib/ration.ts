const PERIOD_MS = 60_000

/** So many in a minute, and the number of those that were left out. */
export class Ration {
  readonly #perMinute: number
  readonly #now: () => number
  #startedAtMs = Number.NEGATIVE_INFINITY
  #given = 0
  #leftOut = 0

  /** `now`: milliseconds on a clock that only goes forward. */
  constructor(perMinute: number, now: () => number = () => performance.now()) {
    this.#perMinute = perMinute
    this.#now = now
  }

  /** How many were left out since the last one, and whether the next will be; `undefined` where this one is left out. */
  take(): { readonly leftOut: number; readonly isLast: boolean } | undefined {
    const now = this.#now()
    if (now - this.#startedAtMs >= PERIOD_MS) {
      this.#startedAtMs = now
      this.#given = 0
    }
    if (this.#given === this.#perMinute) {
      this.#leftOut++
      return undefined
    }
    const leftOut = this.#leftOut
    this.#leftOut = 0
    return { leftOut, isLast: ++this.#given === this.#perMinute }
  }
}
