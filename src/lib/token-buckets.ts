export interface TokenBucketsOptions {
  /** What a name may spend at once. */
  readonly capacity: number
  readonly perSecond: number
  /** Names that are remembered at most; the one that was there first is forgotten first. */
  readonly namesMax: number
  /** Milliseconds on a monotonic clock. */
  readonly now?: () => number
}

/** A token bucket for each name: it is full at first, and fills up again at a steady rate. */
export class TokenBuckets {
  readonly #options: TokenBucketsOptions
  readonly #now: () => number
  readonly #buckets = new Map<string, { tokens: number; atMs: number }>()

  constructor(options: TokenBucketsOptions) {
    this.#options = options
    this.#now = options.now ?? (() => performance.now())
  }

  /** False, and takes nothing, where the bucket does not hold so many. */
  take(name: string, tokens: number): boolean {
    const bucket = this.#filled(name)
    if (bucket.tokens < tokens) return false
    bucket.tokens -= tokens
    return true
  }

  /** Takes what has been spent already, be it more than there is: then the bucket is empty for so much longer. */
  charge(name: string, tokens: number): void {
    this.#filled(name).tokens -= tokens
  }

  #filled(name: string): { tokens: number; atMs: number } {
    const { capacity, namesMax, perSecond } = this.#options
    const now = this.#now()
    const known = this.#buckets.get(name)
    if (known !== undefined) {
      known.tokens = Math.min(capacity, known.tokens + ((now - known.atMs) * perSecond) / 1_000)
      known.atMs = now
      return known
    }
    const [oldest] = this.#buckets.size >= namesMax ? this.#buckets.keys() : []
    if (oldest !== undefined) this.#buckets.delete(oldest)
    const bucket = { tokens: capacity, atMs: now }
    this.#buckets.set(name, bucket)
    return bucket
  }
}
