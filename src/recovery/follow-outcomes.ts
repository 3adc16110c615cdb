import { outcomeTypes, readOutcome } from '../events/outcome.ts'
import { cloudEventType } from '../events/wire-record.ts'
import { type LogReader, type PartitionRange, wholeOf } from './log-reader.ts'
import type { ReplayBook } from './replay-book.ts'

/** Learns from the log what became of deliveries that another process may have made. */
export class FollowOutcomes {
  readonly #reader: LogReader
  readonly #topic: string
  readonly #book: ReplayBook
  /** Where to read on, by partition. */
  readonly #positions = new Map<number, number>()

  constructor(reader: LogReader, topic: string, book: ReplayBook) {
    this.#reader = reader
    this.#topic = topic
    this.#book = book
  }

  /** What is written from now on counts. */
  async start(): Promise<void> {
    for (const { partition, to } of await this.#bounds()) this.#positions.set(partition, to)
  }

  /** Reads what was written since the last look. */
  async look(signal: AbortSignal): Promise<void> {
    const ranges = (await this.#bounds())
      .map((it): PartitionRange => ({ ...it, from: this.#positions.get(it.partition) ?? it.from }))
      .filter(({ from, to }) => from < to)
    await this.#reader.readOutcomes(
      ranges,
      async ({ partition, nextOffset, records }) => {
        for (const record of records) {
          const settled = readOutcome(record)
          if (settled === undefined) continue
          const type = cloudEventType(record)
          this.#book.decide(settled, type === outcomeTypes.sent ? 'sent' : 'failed')
        }
        this.#positions.set(partition, nextOffset)
      },
      signal,
    )
  }

  async #bounds(): Promise<PartitionRange[]> {
    return (await this.#reader.bounds([this.#topic])).map(wholeOf)
  }
}
