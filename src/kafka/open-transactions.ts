import { OPEN_TRANSACTION_MS } from '../diagnosis/log-edges.ts'
import type { OpenTransaction } from '../intake/log-edges.ts'
import type { PartitionBounds } from './partition-bounds.ts'

/** Tracks transactions that hide the ends of partitions from readers. */
export class OpenTransactions {
  #seen: readonly OpenTransaction[] = []

  /**
   * Those that have hidden records for `OPEN_TRANSACTION_MS` or longer. When the readable end moves, a later transaction
   * hides the rest.
   */
  look(bounds: readonly PartitionBounds[], nowMs: number): OpenTransaction[] {
    this.#seen = bounds
      .filter(({ to, end }) => to < end)
      .map(({ topic, partition, to: from, end }) => {
        const before = this.#seen.find(
          (it) => it.topic === topic && it.partition === partition && it.from === from,
        )
        return { topic, partition, from, records: end - from, sinceMs: before?.sinceMs ?? nowMs }
      })
    return this.#seen.filter(({ sinceMs }) => nowMs - sinceMs >= OPEN_TRANSACTION_MS)
  }
}
