import { type OutcomeDetails, readOutcomeDetails } from '../events/read-outcome-details.ts'
import { type LogReader, type PartitionRange, wholeOf } from '../intake/log-reader.ts'
import type { ReplayTally } from './replay-tally.ts'

/** Learns from the log what became of deliveries that the relays make. */
export class FollowOutcomes {
  readonly #reader: LogReader
  readonly #topic: string
  readonly #tally: ReplayTally
  readonly #onFailed: (outcome: OutcomeDetails) => void
  /** Where to read on, by partition. */
  readonly #positions = new Map<number, number>()

  /** `onFailed`: a delivery that is in the tally has failed. */
  constructor(
    reader: LogReader,
    topic: string,
    tally: ReplayTally,
    onFailed: (outcome: OutcomeDetails) => void,
  ) {
    this.#reader = reader
    this.#topic = topic
    this.#tally = tally
    this.#onFailed = onFailed
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
    const ends = new Map(ranges.map(({ partition, to }) => [partition, to]))
    await this.#reader.readOutcomes(
      ranges,
      async ({ partition, nextOffset, records }) => {
        for (const record of records) {
          const outcome = readOutcomeDetails(record)
          if (outcome === undefined) continue
          if (this.#tally.settle(outcome, outcome.kind) && outcome.kind === 'failed') this.#onFailed(outcome)
        }
        // A batch may go on behind the range, with records that were left out.
        this.#positions.set(partition, Math.min(nextOffset, ends.get(partition) ?? nextOffset))
      },
      signal,
    )
  }

  async #bounds(): Promise<PartitionRange[]> {
    return (await this.#reader.bounds([this.#topic])).map(wholeOf)
  }
}
