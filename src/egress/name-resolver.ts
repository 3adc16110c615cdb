import { codeOf, messageOf, RelayFault } from '../lib/errors.ts'
import { type FoundAddresses, NameLookup, type NameLookupOptions } from './name-lookup.ts'

type Waiting = (error: Error | null, addresses: readonly string[]) => void

interface Name {
  /** Callers waiting for a lookup under way. */
  waiting: Waiting[] | undefined
  addresses: readonly string[]
  error: Error | undefined
  /** When the cached result expires. On the monotonic clock. */
  untilMs: number
}

/** Bounds, with the age of connections, how long an RP's old address stays in use. */
const KEPT_MS_MAX = 60_000
const FAILED_MS = 5_000
const NAMES_MAX = 10_000
const LOOKUPS_MAX = 1_024
/**
 * While so many lookups run, names whose last lookup failed are not looked up again. Names that are never answered leave room
 * for others, here and at name servers that accept only some hundred questions at a time.
 */
const LOOKUPS_MAX_AGAIN = 128

/**
 * Caches the addresses of RPs' names. Concurrent requests for a name share one lookup. Addresses are cached for their TTL, at
 * most a minute; failures for some seconds.
 */
export class NameResolver {
  readonly #lookup: NameLookup
  readonly #names = new Map<string, Name>()
  #lookups = 0

  constructor(options?: NameLookupOptions) {
    this.#lookup = new NameLookup(options)
  }

  /**
   * Calls `done` at once if the result is cached. Errors have Node's codes, or `LR_LOCAL` if a local problem prevented the
   * lookup, which says nothing about the RP.
   */
  resolve(hostname: string, done: Waiting): void {
    const name = this.#nameOf(hostname)
    if (name.waiting !== undefined) {
      name.waiting.push(done)
    } else if (performance.now() < name.untilMs) {
      done(name.error ?? null, name.addresses)
    } else if (name.error !== undefined && this.#lookups >= LOOKUPS_MAX_AGAIN) {
      done(name.error, [])
    } else if (this.#lookups >= LOOKUPS_MAX) {
      done(new RelayFault('LR_LOCAL', `too many lookups are running to start one for ${hostname}`), [])
    } else {
      name.waiting = [done]
      this.#lookups++
      this.#lookup.find(hostname).then(
        (found) => this.#found(name, found),
        (error: unknown) => this.#failed(name, error),
      )
    }
  }

  /** `resolve` as a promise. */
  async addressesOf(hostname: string): Promise<readonly string[]> {
    const { promise, resolve, reject } = Promise.withResolvers<readonly string[]>()
    this.resolve(hostname, (error, addresses) => (error === null ? resolve(addresses) : reject(error)))
    return promise
  }

  close(): void {
    this.#lookup.close()
  }

  #nameOf(hostname: string): Name {
    const known = this.#names.get(hostname)
    if (known !== undefined) return known
    // Bounds the memory for whoever registers many names. The names in use return.
    if (this.#names.size >= NAMES_MAX) this.#names.clear()
    const name: Name = {
      waiting: undefined,
      addresses: [],
      error: undefined,
      untilMs: Number.NEGATIVE_INFINITY,
    }
    this.#names.set(hostname, name)
    return name
  }

  #found(name: Name, { addresses, ttlMs }: FoundAddresses): void {
    name.addresses = addresses
    name.error = undefined
    this.#end(name, Math.min(ttlMs, KEPT_MS_MAX))
  }

  #failed(name: Name, error: unknown): void {
    name.addresses = []
    name.error = error instanceof Error ? error : new Error(messageOf(error))
    this.#end(name, codeOf(error) === 'LR_LOCAL' ? 0 : FAILED_MS)
  }

  #end(name: Name, keptMs: number): void {
    const waiting = name.waiting ?? []
    name.waiting = undefined
    name.untilMs = performance.now() + keptMs
    this.#lookups--
    for (const each of waiting) each(name.error ?? null, name.addresses)
  }
}
