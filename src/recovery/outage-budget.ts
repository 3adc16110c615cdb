import { delay } from '../lib/deferred.ts'
import { codeOf, messageOf, RelayFault } from '../lib/errors.ts'

/** Longer than the failover of a broker or a replica takes. */
const BUDGET_MS = 20_000
const RETRY_DELAY_MS_MAX = 2_000
const PERMANENT_CODES = new Set(['LR_REGISTRY_LOST', 'LR_REFUSED'])

/**
 * How long a command tolerates an outage of Kafka or Redis. A service waits for ever; a command must report to its caller.
 * `signal` aborts when the budget is spent or the command is interrupted.
 */
export class OutageBudget {
  readonly #ended = new AbortController()
  readonly #now: () => number
  readonly #failingSinceMs = new Map<string, number>()
  #fault: RelayFault | undefined

  /** `now`: milliseconds on a monotonic clock. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now
  }

  get signal(): AbortSignal {
    return this.#ended.signal
  }

  get fault(): RelayFault | undefined {
    return this.#fault
  }

  interrupt(): void {
    this.#ended.abort()
  }

  /** Notes a failure of a repeated step. `failures`: consecutive failures, this one included. */
  noteFailure(part: 'Kafka' | 'Redis', error: unknown, failures: number): void {
    const sinceMs = failures === 1 ? undefined : this.#failingSinceMs.get(part)
    if (sinceMs === undefined) this.#failingSinceMs.set(part, this.#now())
    const isWithinBudget = sinceMs === undefined || this.#now() - sinceMs < BUDGET_MS
    if (isWithinBudget || this.#ended.signal.aborted) return
    this.#fault = new RelayFault('LR_UNREACHABLE', `${part} stays out of reach: ${messageOf(error)}`, {
      cause: error,
    })
    this.#ended.abort()
  }

  /** Repeats a step until it succeeds; `undefined` when the budget is spent. Throws errors that waiting cannot remedy. */
  async repeat<T>(part: 'Kafka' | 'Redis', step: () => Promise<T>): Promise<T | undefined> {
    for (let failures = 0; !this.signal.aborted; ) {
      try {
        return await step()
      } catch (error) {
        if (PERMANENT_CODES.has(codeOf(error) ?? '')) throw error
        failures++
        this.noteFailure(part, error, failures)
        await delay(Math.min(100 * 2 ** (failures - 1), RETRY_DELAY_MS_MAX), this.signal)
      }
    }
    return undefined
  }
}

/** Turns an error of the Kafka or Redis client that has given up into a fault for the caller. */
export function unreachableFault(error: unknown): unknown {
  if (codeOf(error) !== 'LR_UNAVAILABLE') return error
  return new RelayFault('LR_UNREACHABLE', `Kafka or Redis stays out of reach: ${messageOf(error)}`, {
    cause: error,
  })
}
