/** A server that has come back is first again after that time, unless it was found before. */
const KEPT_MS = 300_000
const ENTRIES_MAX = 10_000

/** Of one name and port. */
export interface NameFailures {
  /** The same addresses: first those that did not fail lately, as they came, then those that failed longest ago. */
  lastOf(addresses: readonly string[]): string[]
  note(address: string): void
  forget(address: string): void
}

/**
 * Which addresses could not be connected to lately, so that others of their name are tried first. By name: whoever
 * registers a name for somebody else's address must not change the order for them.
 */
export class RecentFailures {
  /** On the monotonic clock; the latest failure last. */
  readonly #failedAtMs = new Map<string, number>()

  of(name: string, port: number): NameFailures {
    const keyOf = (address: string) => `${name} ${port} ${address}`
    return {
      lastOf: (addresses) => this.#lastOf(addresses, keyOf),
      note: (address) => this.#note(keyOf(address)),
      forget: (address) => void this.#failedAtMs.delete(keyOf(address)),
    }
  }

  #lastOf(addresses: readonly string[], keyOf: (address: string) => string): string[] {
    if (this.#failedAtMs.size === 0) return [...addresses]
    const sinceMs = performance.now() - KEPT_MS
    const ranked = addresses.map((address) => {
      const failedAtMs = this.#failedAtMs.get(keyOf(address)) ?? 0
      return { address, failedAtMs: failedAtMs < sinceMs ? 0 : failedAtMs }
    })
    return ranked.sort((a, b) => a.failedAtMs - b.failedAtMs).map(({ address }) => address)
  }

  #note(key: string): void {
    this.#failedAtMs.delete(key)
    this.#failedAtMs.set(key, performance.now())
    if (this.#failedAtMs.size <= ENTRIES_MAX) return
    const [oldest] = this.#failedAtMs.keys()
    this.#failedAtMs.delete(oldest as string)
  }
}
