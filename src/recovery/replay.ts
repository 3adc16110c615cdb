import { hiddenIn, type LogReader, type PartitionRange, wholeOf } from '../intake/log-reader.ts'
import type { RecordBatch } from '../intake/record-source.ts'
import type { TriggerStep } from '../intake/trigger-step.ts'
import type { Clock } from '../lib/clock.ts'
import type { Registry } from '../registry/registry.ts'
import { FailedOutcomes, type FailedOutcomesOptions, type OwedByFailure } from './failed-outcomes.ts'
import { type Formats, lookUpOrigins } from './origin-lookup.ts'
import type { OutageBudget } from './outage-budget.ts'
import type { RecoveryRegistry } from './recovery-registry.ts'
import type { RegisteredAddresses } from './registered-addresses.ts'
import { type RequestedRange, recordsIn, resolveRange, uncommittedCut } from './replay-range.ts'
import { endedBy, type ReplayTriggers } from './replay-triggers.ts'
import type { Selected, Selection } from './selection.ts'

export interface ReplayOptions extends Omit<FailedOutcomesOptions, 'withDiscarded'> {
  readonly addresses: RegisteredAddresses
  readonly clock: Clock
  readonly groupId: string
  readonly inputTopics: readonly string[]
  readonly outcomeTopic: string
  readonly outageBudget: OutageBudget
  readonly formats: Formats
  readonly reader: LogReader
  readonly recovery: Pick<RecoveryRegistry, 'owed'>
  readonly registry: Pick<Registry, 'apply'>
  readonly selection: Selection
  readonly batchTriggers: number
  readonly triggers: ReplayTriggers
}

export interface ReplayRequest {
  readonly range: RequestedRange
  /** Delivers failed outcomes of the range again, instead of running its triggers. */
  readonly failed: boolean
  /** With `failed`: includes deliveries that an operator discarded. */
  readonly discarded: boolean
  /** Set for a dry run: it receives what is owed, and nothing is parked or written. */
  readonly list?: (owed: readonly Selected[]) => void
}

/** Runs a range of the log again. Joins no group and commits nothing. */
export class Replay {
  readonly #options: ReplayOptions
  records = 0
  recordsTotal = 0
  /** Records of the range that the group has not committed. Its members are about to deliver them. */
  recordsLeft = 0
  /** Parts of the range behind another producer's open transaction. */
  hidden: readonly PartitionRange[] = []
  /** Failed outcomes that no relay can have written: their trigger or their address was never registered. */
  forged = 0

  constructor(options: ReplayOptions) {
    this.#options = options
  }

  /**
   * Resolves when everything that is owed is parked, or the outage budget is spent. Throws `LR_USAGE` for an impossible
   * range.
   */
  async run({ range, failed, discarded, list }: ReplayRequest): Promise<void> {
    const { inputTopics, outcomeTopic, reader } = this.#options
    const wanted = await resolveRange(range, failed ? [outcomeTopic] : inputTopics, reader)
    if (failed) return this.#runFailed(wanted.map(wholeOf), discarded, list)
    this.hidden = hiddenIn(wanted)
    await this.#runTriggers(wanted, list)
  }

  async #runTriggers(wanted: PartitionRange[], list: ReplayRequest['list']): Promise<void> {
    const { groupId, inputTopics, reader, recovery, registry, selection, triggers } = this.#options
    const isServed = await reader.hasMembers(groupId)
    const ranges = isServed ? uncommittedCut(wanted, await reader.committed(groupId, inputTopics)) : wanted
    this.recordsLeft = recordsIn(wanted) - recordsIn(ranges)
    const to =
      list === undefined
        ? {
            ask: (steps: readonly TriggerStep[]) => endedBy(registry, steps),
            handOver: (owed: readonly Selected[]) => selection.take(owed),
          }
        : {
            ask: (steps: readonly TriggerStep[]) => recovery.owed(steps),
            handOver: async (owed: readonly Selected[]) => list(owed),
          }
    await this.#read(ranges, ({ records }) => triggers.take(records, to))
  }

  async #runFailed(
    wanted: PartitionRange[],
    withDiscarded: boolean,
    list: ReplayRequest['list'],
  ): Promise<void> {
    const { clock, outcomeTopic, outageBudget, reader, selection, batchTriggers } = this.#options
    const failed = new FailedOutcomes({ ...this.#options, withDiscarded })
    const ends = (await reader.bounds([outcomeTopic])).map(wholeOf)
    // What was sent meanwhile is recorded after the range, perhaps in another partition.
    const whole = ends.map(({ topic, partition, to }) => {
      const part = wanted.find((it) => it.partition === partition)
      return { topic, partition, from: Math.min(part?.from ?? to, to), to }
    })
    const take = async ({ partition, records }: RecordBatch): Promise<void> => {
      const to = wanted.find((it) => it.partition === partition)?.to ?? 0
      failed.take(records, ({ offset }) => offset < to)
    }
    await this.#read(whole, take, (...read) => reader.readOutcomes(...read))
    const found = failed.owed(clock.now())
    if (outageBudget.signal.aborted) return
    const owed = await this.#withoutForged(found)
    this.forged = found.length - owed.length
    if (list !== undefined) {
      list(owed)
      return
    }
    for (let i = 0; i < owed.length && !outageBudget.signal.aborted; i += batchTriggers) {
      await selection.takeFailed(owed.slice(i, i + batchTriggers))
    }
  }

  async #withoutForged(owed: readonly OwedByFailure[]): Promise<OwedByFailure[]> {
    const { addresses, formats, inputTopics, outcomeTopic, outageBudget, reader } = this.#options
    const topics = [...new Set([...inputTopics, outcomeTopic])]
    const triggers = owed.flatMap(({ trigger }) => trigger ?? [])
    const isHeld = await lookUpOrigins(reader, topics, formats, triggers, outageBudget.signal)
    const caused = owed.filter(({ trigger }) => trigger !== undefined && isHeld(trigger))
    // Only relays write to a separate outcome topic.
    if (!inputTopics.includes(outcomeTopic)) return caused
    const isRegistered = await addresses.lookUp(
      caused.map(({ registration }) => registration),
      outageBudget.signal,
    )
    return caused.filter(({ registration }) => isRegistered(registration))
  }

  async #read(
    ranges: PartitionRange[],
    take: (batch: RecordBatch) => Promise<void>,
    read: LogReader['read'] = (...reading) => this.#options.reader.read(...reading),
  ): Promise<void> {
    const { outageBudget } = this.#options
    const parts = ranges.filter(({ from, to }) => from < to)
    this.recordsTotal = recordsIn(parts)
    const endOf = (batch: RecordBatch) =>
      parts.find(({ topic, partition }) => topic === batch.topic && partition === batch.partition)?.to ?? 0
    try {
      await read(
        parts,
        async (batch) => {
          await take(batch)
          if (outageBudget.signal.aborted) return
          this.records += Math.min(batch.nextOffset, endOf(batch)) - batch.fetchedOffset
        },
        outageBudget.signal,
      )
    } catch (error) {
      if (!outageBudget.signal.aborted) throw error
    }
  }
}
