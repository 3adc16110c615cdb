import { settledWithin } from '../lib/deferred.ts'
import type { PartitionQueue } from './partition-queue.ts'

interface PartitionEnd {
  readonly topic: string
  readonly partition: number
  /** The offset after the last record, including records hidden by an open transaction. */
  readonly end: number
}

type SeenQueue = Pick<PartitionQueue, 'topic' | 'partition' | 'endOffset'> & {
  readonly tracker: Pick<PartitionQueue['tracker'], 'committable'>
}

const WAIT_MS_MAX = 500
const AGE_MS_MAX = 2_000

/**
 * The distance from the settled offset to the end of each partition. A fetch also reveals the end, but lag grows while a
 * partition is paused and not fetched.
 */
export class ConsumerLag {
  readonly #read: () => Promise<readonly PartitionEnd[]>
  readonly #ageMsMax: number
  readonly #ends = new Map<string, number>()
  #reading: Promise<void> | undefined
  #readAtMs = Number.NEGATIVE_INFINITY

  /** `ageMsMax`: how long a reading stays valid. */
  constructor(read: () => Promise<readonly PartitionEnd[]>, ageMsMax = AGE_MS_MAX) {
    this.#read = read
    this.#ageMsMax = ageMsMax
  }

  /** Reads the ends if the last reading is old. Waits for it only briefly, since Kafka may be away. Never throws. */
  async refresh(): Promise<void> {
    if (performance.now() - this.#readAtMs < this.#ageMsMax) return
    this.#reading ??= this.#look()
    await settledWithin(this.#reading, WAIT_MS_MAX)
  }

  /** In records, as of the last reading or fetch; `undefined` before the first. */
  of({ topic, partition, endOffset, tracker }: SeenQueue): number | undefined {
    const end = Math.max(this.#ends.get(`${topic}/${partition}`) ?? -1, endOffset)
    return end < 0 ? undefined : Math.max(end - tracker.committable, 0)
  }

  async #look(): Promise<void> {
    try {
      for (const { topic, partition, end } of await this.#read()) {
        this.#ends.set(`${topic}/${partition}`, end)
      }
      this.#readAtMs = performance.now()
    } catch {
      // The consumer reports that Kafka is away.
    } finally {
      this.#reading = undefined
    }
  }
}
