const REPEAT_AFTER_MS = 60_000
const MESSAGES_MAX = 200

/** Remembers the messages of the last minute, to suppress repetitions. Holds at most a few hundred. */
export class RecentMessages {
  readonly #now: () => number
  readonly #seenAtMs = new Map<string, number>()

  /** `now`: milliseconds on a monotonic clock. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now
  }

  /** Whether `text` did not occur within the last minute. Records it. */
  isNew(text: string): boolean {
    const now = this.#now()
    const seenAtMs = this.#seenAtMs.get(text)
    if (seenAtMs !== undefined && now - seenAtMs < REPEAT_AFTER_MS) return false
    if (this.#seenAtMs.size >= MESSAGES_MAX) this.#seenAtMs.clear()
    this.#seenAtMs.set(text, now)
    return true
  }
}
