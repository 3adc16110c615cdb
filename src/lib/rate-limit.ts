import { delay } from './deferred.ts'

/** Allows a number of starts per second, spread evenly. Unused starts do not accumulate. */
export class RateLimit {
  readonly #perSecond: number
  readonly #now: () => number
  #freeAtMs = 0

  /** `now`: milliseconds on a monotonic clock. */
  constructor(perSecond: number, now: () => number = () => performance.now()) {
    this.#perSecond = perSecond
    this.#now = now
  }

  /** Resolves when `count` may start, or at once when `signal` aborts. All `count` start together. */
  async take(count: number, signal?: AbortSignal): Promise<void> {
    const now = this.#now()
    const startMs = Math.max(this.#freeAtMs, now)
    this.#freeAtMs = startMs + (count * 1_000) / this.#perSecond
    if (startMs > now) await delay(startMs - now, signal)
  }
}
