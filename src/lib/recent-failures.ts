/** After that time a failed address is tried first again. */
const KEPT_MS = 300_000
const ENTRIES_MAX = 10_000

/** The failures of one name and port. */
export interface NameFailures {
  /** Reorders the addresses: first those without a recent failure, in the given order, then those with the oldest failure. */
  lastOf(addresses: readonly string[]): string[]
  note(address: string): void
  forget(address: string): void
}

/**
 * Remembers addresses that recently failed, so that others of the name are tried first. Failures are kept by name: whoever
 * registers a name for a foreign address must not change that address's order for others.
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
