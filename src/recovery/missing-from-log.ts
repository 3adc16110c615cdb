import { isOutcome } from '../events/outcome.ts'
import type { TopicPartition, WireRecord } from '../events/wire-record.ts'
import { type LogReader, type PartitionBounds, type PartitionRange, wholeOf } from '../intake/log-reader.ts'
import type { RecordBatch } from '../intake/record-source.ts'
import type { PartitionStart } from '../intake/start-plan.ts'
import { BelievedOutcomes, type DisbelievedOutcomes } from './believed-outcomes.ts'
import type { Formats } from './origin-lookup.ts'
import type { StoreFromLog } from './store-from-log.ts'

export interface MissingFromLogOptions {
  readonly inputTopics: readonly string[]
  /** Outcomes that name a trigger which the log should hold and does not, or that stand on another topic: they end nothing. */
  readonly onDisbelieved: (outcomes: DisbelievedOutcomes) => void
  readonly onProgress: (progress: RebuildProgress) => void
  readonly outcomeTopic: string
  readonly formats: Formats
  readonly reader: LogReader
  /** Applies what is read to the store; not guarded by the epoch, since this is what writes before there is one. */
  readonly store: Pick<StoreFromLog, 'register' | 'settle' | 'runAgain'>
}

/** What has to be read from the log, per partition. */
export interface Missing {
  /** Registrations and triggers. */
  readonly inputs: readonly PartitionRange[]
  readonly outcomes: readonly PartitionRange[]
}

export interface RebuildProgress {
  readonly phase: 'waiting' | 'registrations' | 'outcomes' | 'triggers' | 'done'
  readonly records: number
  readonly recordsTotal: number
}

/** For people. */
export function describeProgress(progress: RebuildProgress | undefined): string {
  if (progress === undefined) return 'not read yet'
  const { phase, records, recordsTotal } = progress
  if (phase === 'waiting') return 'another replica is completing it from the topic'
  return `being completed from the topic: ${phase}, ${records} of ${recordsTotal} records`
}

const PROGRESS_EVERY_RECORDS = 20_000

/** Reads from the log what a store lacks, and applies it: registrations less what is settled, then the triggers. */
export class MissingFromLog {
  readonly #options: MissingFromLogOptions

  constructor(options: MissingFromLogOptions) {
    this.#options = options
  }

  /** Throws when the log or the store is out of reach. */
  async apply(missing: Missing, starts: readonly PartitionStart[], signal: AbortSignal): Promise<void> {
    const { formats, inputTopics, onDisbelieved, outcomeTopic, reader, store } = this.#options
    const inputFrom = new Map(missing.inputs.map((it) => [nameOf(it), it.from]))
    const triggers = new Map<string, PartitionRange>()
    const believed = new BelievedOutcomes(reader, inputTopics, outcomeTopic, formats)
    const take = async (records: readonly WireRecord[]): Promise<void> => {
      for (const record of records) believed.note(record)
      const wanted = records.filter((record) => {
        // A settled registration that is read again without its outcome would come back to life.
        if (isOutcome(record)) return true
        const { topic, partition, offset } = record
        if (offset < (inputFrom.get(nameOf(record)) ?? Infinity)) return false
        if (!formats.mayConcern(record, 'trigger')) return true
        const { from } = triggers.get(nameOf(record)) ?? { from: offset }
        triggers.set(nameOf(record), { topic, partition, from, to: offset + 1 })
        return formats.mayConcern(record, 'registration')
      })
      await store.register(wanted, (record) => believed.take(record))
    }
    const read = async (phase: 'registrations' | 'outcomes', ranges: readonly PartitionRange[]) => {
      believed.expect(ranges)
      await this.#readAll(phase, ranges, take, signal)
    }
    // Triggers before their outcomes, as far as these are on a topic of their own.
    if (inputTopics.includes(outcomeTopic))
      await read('registrations', joined(missing.inputs, missing.outcomes))
    else {
      await read('registrations', missing.inputs)
      await read('outcomes', missing.outcomes)
    }
    // What was in flight when the store was lost has perhaps ended meanwhile: it is not owed any more. Nor is what has ended
    // behind another producer's open transaction.
    const later = since(
      missing.outcomes,
      await reader.bounds(missing.outcomes.length > 0 ? [outcomeTopic] : []),
    )
    await this.#readAll('outcomes', later, take, signal, (...read) => reader.readOutcomes(...read))
    await store.settle(await believed.rest(signal))
    if (believed.disbelieved.count > 0) onDisbelieved(believed.disbelieved)
    // Where they stand is known from the first reading.
    await this.runAgain([...triggers.values()], starts, signal)
  }

  async runAgain(
    ranges: readonly PartitionRange[],
    starts: readonly PartitionStart[],
    signal: AbortSignal,
  ): Promise<void> {
    const { store } = this.#options
    const startOf = new Map(starts.map((it) => [nameOf(it), it]))
    const take = (records: readonly WireRecord[]) =>
      store.runAgain(records, (record) => startOf.get(nameOf(record)), signal)
    await this.#readAll('triggers', ranges, take, signal)
  }

  async #readAll(
    phase: 'registrations' | 'outcomes' | 'triggers',
    ranges: readonly PartitionRange[],
    take: (records: readonly WireRecord[]) => Promise<void>,
    signal: AbortSignal,
    read: LogReader['read'] = (...read) => this.#options.reader.read(...read),
  ): Promise<void> {
    const { onProgress } = this.#options
    const recordsTotal = ranges.reduce((sum, { from, to }) => sum + Math.max(to - from, 0), 0)
    let records = 0
    let told = 0
    onProgress({ phase, records, recordsTotal })
    await read(
      ranges,
      async (batch: RecordBatch) => {
        await take(batch.records)
        records += batch.nextOffset - batch.fetchedOffset
        if (records - told < PROGRESS_EVERY_RECORDS) return
        told = records
        onProgress({ phase, records, recordsTotal })
      },
      signal,
    )
  }
}

function isSame(one: TopicPartition, other: TopicPartition): boolean {
  return one.topic === other.topic && one.partition === other.partition
}

function nameOf({ topic, partition }: TopicPartition): string {
  return `${topic}/${partition}`
}

/** One range per partition that holds both: a topic may be input and outcome topic. */
function joined(one: readonly PartitionRange[], other: readonly PartitionRange[]): PartitionRange[] {
  const all = new Map<string, PartitionRange>()
  for (const { topic, partition, from, to } of [...one, ...other]) {
    const before = all.get(nameOf({ topic, partition }))
    all.set(nameOf({ topic, partition }), {
      topic,
      partition,
      from: Math.min(before?.from ?? from, from),
      to: Math.max(before?.to ?? to, to),
    })
  }
  return [...all.values()]
}

/** What was written after the earlier look at the ends, or could not be read then. */
function since(earlier: readonly PartitionRange[], later: readonly PartitionBounds[]): PartitionRange[] {
  return later.map(wholeOf).map((range) => {
    const before = earlier.find((it) => isSame(it, range))
    return { ...range, from: Math.max(before?.to ?? range.from, range.from) }
  })
}
