import { type OutcomeDetails, readOutcomeDetails } from '../events/read-outcome-details.ts'
import { type LogReader, type PartitionRange, wholeOf } from '../intake/log-reader.ts'
import type { ReplayTally } from './replay-tally.ts'

/** Reads from the log how the relays' deliveries ended. */
export class FollowOutcomes {
  readonly #reader: LogReader
  readonly #topic: string
  readonly #tally: ReplayTally
  readonly #onFailed: (outcome: OutcomeDetails) => void
  /** The next offset of each partition. */
  readonly #positions = new Map<number, number>()

  /** `onFailed` is called when a delivery of the tally has failed. */
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

  /** Counts outcomes that are written from now on. */
  async start(): Promise<void> {
    for (const { partition, to } of await this.#bounds()) this.#positions.set(partition, to)
  }

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
          if (outcome.kind === 'shadowed') this.#tally.forget(outcome)
          else if (this.#tally.settle(outcome, outcome.kind) && outcome.kind === 'failed')
            this.#onFailed(outcome)
        }
        // A batch may extend beyond the range, over records that were left out.
        this.#positions.set(partition, Math.min(nextOffset, ends.get(partition) ?? nextOffset))
      },
      signal,
    )
  }

  async #bounds(): Promise<PartitionRange[]> {
    return (await this.#reader.bounds([this.#topic])).map(wholeOf)
  }
}
