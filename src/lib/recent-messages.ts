const REPEAT_AFTER_MS = 60_000
const MESSAGES_MAX = 200

/** What was said within the last minute, so that nobody says the same again and again. Holds some hundred texts at most. */
export class RecentMessages {
  readonly #now: () => number
  readonly #seenAtMs = new Map<string, number>()

  /** `now`: milliseconds on a clock that only goes forward. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now
  }

  /** Whether `text` was not said within the last minute; then it is said now. */
  isNew(text: string): boolean {
    const now = this.#now()
    const seenAtMs = this.#seenAtMs.get(text)
    if (seenAtMs !== undefined && now - seenAtMs < REPEAT_AFTER_MS) return false
    if (this.#seenAtMs.size >= MESSAGES_MAX) this.#seenAtMs.clear()
    this.#seenAtMs.set(text, now)
    return true
  }
}
