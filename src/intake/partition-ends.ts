import { settledWithin } from '../lib/deferred.ts'

interface PartitionEnd {
  readonly topic: string
  readonly partition: number
  /** The offset of the next record. */
  readonly to: number
}

const WAIT_MS_MAX = 500
const AGE_MS_MAX = 2_000

/**
 * Where the input partitions end now. A fetch tells that as well, but a paused partition is not fetched, and that is
 * when its lag grows.
 */
export class PartitionEnds {
  readonly #read: () => Promise<readonly PartitionEnd[]>
  readonly #ageMsMax: number
  readonly #ends = new Map<string, number>()
  #reading: Promise<void> | undefined
  #readAtMs = Number.NEGATIVE_INFINITY

  /** `ageMsMax`: how long a look is good for. */
  constructor(read: () => Promise<readonly PartitionEnd[]>, ageMsMax = AGE_MS_MAX) {
    this.#read = read
    this.#ageMsMax = ageMsMax
  }

  /** Looks, if the last look is old; waits for it only for a moment, since Kafka may be away. Never throws. */
  async refresh(): Promise<void> {
    if (performance.now() - this.#readAtMs < this.#ageMsMax) return
    this.#reading ??= this.#look()
    await settledWithin(this.#reading, WAIT_MS_MAX)
  }

  /** As of the last look that succeeded; -1 before the first one. */
  of(topic: string, partition: number): number {
    return this.#ends.get(`${topic}/${partition}`) ?? -1
  }

  async #look(): Promise<void> {
    try {
      for (const { topic, partition, to } of await this.#read()) this.#ends.set(`${topic}/${partition}`, to)
      this.#readAtMs = performance.now()
    } catch {
      // Whoever consumes says that Kafka is away.
    } finally {
      this.#reading = undefined
    }
  }
}
