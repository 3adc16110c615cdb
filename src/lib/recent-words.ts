const TEXTS_MAX = 200

/** What was said of late, so that nobody says the same again and again. Holds some hundred texts at most. */
export class RecentWords {
  readonly #periodMs: number
  readonly #now: () => number
  readonly #saidAtMs = new Map<string, number>()

  /** `now`: milliseconds on a clock that only goes forward. */
  constructor(periodMs: number, now: () => number = () => performance.now()) {
    this.#periodMs = periodMs
    this.#now = now
  }

  /** Whether `text` was not said within the period; then it is said now. */
  isNews(text: string): boolean {
    const now = this.#now()
    const saidAtMs = this.#saidAtMs.get(text)
    if (saidAtMs !== undefined && now - saidAtMs < this.#periodMs) return false
    if (this.#saidAtMs.size >= TEXTS_MAX) this.#saidAtMs.clear()
    this.#saidAtMs.set(text, now)
    return true
  }
}
