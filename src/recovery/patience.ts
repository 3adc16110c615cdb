import { delay } from '../lib/deferred.ts'
import { codeOf, messageOf, RelayFault } from '../lib/errors.ts'

/** Longer than a broker or a replica takes to be replaced. */
const BEARABLE_MS = 20_000
const RETRY_DELAY_MS_MAX = 2_000
const HOPELESS = new Set(['LR_REGISTRY_LOST', 'LR_REFUSED'])
/** Names of kafkajs' errors, and ioredis' words for a lost connection. */
const CLIENT_ERRORS = /^KafkaJS|Connection is closed|Socket timeout/

/**
 * How long a command bears that Kafka or Redis is away. A service waits for ever; a command must tell its caller. When
 * patience ends, or the command is interrupted, `signal` aborts.
 */
export class Patience {
  readonly #over = new AbortController()
  readonly #now: () => number
  readonly #sufferingSinceMs = new Map<string, number>()
  #fault: RelayFault | undefined

  /** `now`: milliseconds on a clock that only goes forward. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now
  }

  get signal(): AbortSignal {
    return this.#over.signal
  }

  /** Set when it ended because something stayed out of reach. */
  get fault(): RelayFault | undefined {
    return this.#fault
  }

  interrupt(): void {
    this.#over.abort()
  }

  /** A fault of something that is tried again; `failures` counts those in a row, this one included. */
  suffer(part: 'Kafka' | 'Redis', error: unknown, failures: number): void {
    const sinceMs = failures === 1 ? undefined : this.#sufferingSinceMs.get(part)
    if (sinceMs === undefined) this.#sufferingSinceMs.set(part, this.#now())
    const isBearable = sinceMs === undefined || this.#now() - sinceMs < BEARABLE_MS
    if (isBearable || this.#over.signal.aborted) return
    this.#fault = new RelayFault('LR_UNREACHABLE', `${part} stays unreachable: ${messageOf(error)}`, {
      cause: error,
    })
    this.#over.abort()
  }

  /** Repeats a step until it succeeds; `undefined` when patience ends. Throws what waiting cannot mend. */
  async repeat<T>(part: 'Kafka' | 'Redis', step: () => Promise<T>): Promise<T | undefined> {
    for (let failures = 0; !this.signal.aborted; ) {
      try {
        return await step()
      } catch (error) {
        if (HOPELESS.has(codeOf(error) ?? '')) throw error
        failures++
        this.suffer(part, error, failures)
        await delay(Math.min(100 * 2 ** (failures - 1), RETRY_DELAY_MS_MAX), this.signal)
      }
    }
    return undefined
  }
}

/** What the clients of Kafka and Redis throw when they give up, as the fault that a caller is told. */
export function unreachableFault(error: unknown): unknown {
  const isGivenUp =
    codeOf(error) === 'LR_UNAVAILABLE' ||
    (error instanceof Error && CLIENT_ERRORS.test(`${error.name} ${error.message}`))
  if (!isGivenUp) return error
  return new RelayFault('LR_UNREACHABLE', `Kafka or Redis stays unreachable: ${messageOf(error)}`, {
    cause: error,
  })
}
