const NEWS_AGAIN_AFTER_MS = 60_000
const TEXTS_MAX = 200

/** What was said within the last minute, so that nobody says the same again and again. Holds some hundred texts at most. */
export class RecentWords {
  readonly #now: () => number
  readonly #saidAtMs = new Map<string, number>()

  /** `now`: milliseconds on a clock that only goes forward. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now
  }

  /** Whether `text` was not said within the last minute; then it is said now. */
  isNews(text: string): boolean {
    const now = this.#now()
    const saidAtMs = this.#saidAtMs.get(text)
    if (saidAtMs !== undefined && now - saidAtMs < NEWS_AGAIN_AFTER_MS) return false
    if (this.#saidAtMs.size >= TEXTS_MAX) this.#saidAtMs.clear()
    this.#saidAtMs.set(text, now)
    return true
  }
}
