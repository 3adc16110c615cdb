import type { StoreOwners } from '../diagnosis/facts.ts'
import type { RedisConnection } from './redis-connection.ts'
import { literalPattern } from './scanned-keys.ts'

export interface OwnerSampleOptions {
  readonly redis: Pick<RedisConnection, 'command'>
  readonly prefix: string
  readonly knowsIssuer: (issuer: string) => boolean
  /** Who looks only once does not stop where others would go on the next time. */
  readonly isOnlyLook?: boolean
}

/** Redis blocks while it scans so many; a look may take so many such steps. */
const COUNT = 1_000
const STEPS_MAX = 20
const STEPS_OF_ONLY_LOOK = 2_000
const OTHERS_MAX = 100

/**
 * Finds out whose sessions and parked deliveries a store holds. One key of an issuer of this relay is enough, so as a rule a
 * look is short; while there is none, each look goes on where the last one stopped, until the store was looked through.
 */
export class OwnerSample {
  readonly #options: OwnerSampleOptions
  /** An issuer of which a key was found. */
  #own: string | undefined
  #wasEmpty: boolean | undefined
  #cursor = '0'
  /** Of the pass that is under way, and of the one before. */
  #others = new Map<string, number>()
  #before: ReadonlyMap<string, number> = new Map()

  constructor(options: OwnerSampleOptions) {
    this.#options = options
  }

  async read(): Promise<StoreOwners> {
    const { isOnlyLook = false, knowsIssuer } = this.#options
    // What was configured may have changed since.
    if (this.#own !== undefined && !knowsIssuer(this.#own)) this.#own = undefined
    // With a key of its own in it one step is enough, to learn of some others.
    const most = isOnlyLook ? STEPS_OF_ONLY_LOOK : STEPS_MAX
    for (let step = 0; step < (this.#own === undefined ? most : 1); step++) {
      await this.#step()
      if (this.#cursor !== '0') continue
      this.#wasEmpty ??= this.#own === undefined && this.#others.size === 0
      this.#before = this.#others
      this.#others = new Map()
      break
    }
    const others = [...this.#before, ...this.#others].filter(([issuer]) => !knowsIssuer(issuer))
    return { hasOwn: this.#own !== undefined, wasEmpty: this.#wasEmpty === true, others: new Map(others) }
  }

  async #step(): Promise<void> {
    const { knowsIssuer, prefix, redis } = this.#options
    const pattern = `${literalPattern(prefix)}:[sb]*`
    const reply = await redis.command('SCAN', this.#cursor, 'MATCH', pattern, 'COUNT', COUNT)
    const [next, keys] = reply as [string, string[]]
    this.#cursor = next
    for (const key of keys) {
      const owner = ownerOf(key.slice(prefix.length + 1))
      if (owner === undefined) continue
      if (knowsIssuer(owner)) this.#own = owner
      else if (this.#others.has(owner) || this.#others.size < OTHERS_MAX)
        this.#others.set(owner, (this.#others.get(owner) ?? 0) + 1)
    }
  }
}

/** Of a session, or of the backlog of an RP. */
function ownerOf(name: string): string | undefined {
  return /^(?:session|backlog):\{([^|]+)\|/.exec(name)?.[1]
}
