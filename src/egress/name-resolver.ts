import { codeOf, messageOf, RelayFault } from '../lib/errors.ts'
import { type FoundAddresses, NameLookup, type NameLookupOptions } from './name-lookup.ts'

type Waiting = (error: Error | null, addresses: readonly string[]) => void

interface Name {
  /** Those who wait while it is looked up. */
  waiting: Waiting[] | undefined
  addresses: readonly string[]
  error: Error | undefined
  /** Until when either stands. On the monotonic clock. */
  untilMs: number
}

/** An RP that moves is followed within it and the age of its connections. */
const KEPT_MS_MAX = 60_000
const FAILED_MS = 5_000
const NAMES_MAX = 10_000
const LOOKUPS_MAX = 1_024
/**
 * When so many run, names whose last lookup failed are not looked up again: those that may never be answered leave room for
 * the others, here and at name servers that take no more than some hundred questions at one time.
 */
const LOOKUPS_MAX_AGAIN = 128

/**
 * The addresses of the RPs' names. Connections that ask for the same name at one time share one lookup; what was found
 * is kept as long as its record says, at most a minute, and that nothing was found for some seconds.
 */
export class NameResolver {
  readonly #lookup: NameLookup
  readonly #names = new Map<string, Name>()
  #lookups = 0

  constructor(options?: NameLookupOptions) {
    this.#lookup = new NameLookup(options)
  }

  /**
   * Answers at once where the answer is known. Errors have Node's codes, and `LR_LOCAL` where the name was not looked up
   * for a reason that lies here: it says nothing of the RP.
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

  /** For whoever prefers to wait. */
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
    // Who registers many names must not take more memory than that; the names in use come back.
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
