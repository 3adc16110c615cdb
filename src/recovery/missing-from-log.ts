import { isOutcome } from '../events/outcome.ts'
import { isSamePartition, positionOf, type TopicPartition, type WireRecord } from '../events/wire-record.ts'
import type { InputTopics } from '../intake/input-topics.ts'
import { type LogReader, type PartitionBounds, type PartitionRange, wholeOf } from '../intake/log-reader.ts'
import type { RecordBatch } from '../intake/record-source.ts'
import type { PartitionStart } from '../intake/start-plan.ts'
import type { TriggerStep } from '../intake/trigger-step.ts'
import { BelievedOutcomes, type DisbelievedOutcomes } from './believed-outcomes.ts'
import type { Formats } from './origin-lookup.ts'
import type { StoreFromLog } from './store-from-log.ts'

export interface MissingFromLogOptions {
  /** Throws when the store must not be written any more. */
  readonly beforeWrite: () => void
  readonly inputs: Pick<InputTopics, 'names'>
  /** Reports outcomes that do not count: on another topic, or with a trigger that the log should hold and does not. */
  readonly onDisbelieved: (outcomes: DisbelievedOutcomes) => void
  readonly onProgress: (progress: RebuildProgress) => void
  readonly outcomeTopic: string
  readonly formats: Formats
  readonly reader: LogReader
  /** Applies records to the store. Not guarded by the epoch, since it writes before there is one. */
  readonly store: Pick<StoreFromLog, 'register' | 'settle' | 'settleCut' | 'runAgain' | 'runRemembered'>
}

export interface Missing {
  readonly inputs: readonly PartitionRange[]
  readonly outcomes: readonly PartitionRange[]
  /** The group's members will read old input records again. */
  readonly areReadAgain?: boolean
}

export interface RebuildProgress {
  readonly phase: 'waiting' | 'registrations' | 'outcomes' | 'triggers' | 'done'
  readonly records: number
  readonly recordsTotal: number
}

export function describeProgress(progress: RebuildProgress | undefined): string {
  if (progress === undefined) return 'not read yet'
  const { phase, records, recordsTotal } = progress
  if (phase === 'waiting') return 'another replica is completing it from the topic'
  return `being completed from the topic: ${phase}, ${records} of ${recordsTotal} records`
}

const PROGRESS_EVERY_RECORDS = 20_000

/** Reads what a store lacks from the log and applies it: first registrations without the settled ones, then triggers. */
export class MissingFromLog {
  readonly #options: MissingFromLogOptions

  constructor(options: MissingFromLogOptions) {
    this.#options = options
  }

  /** Throws when the log or the store is out of reach. */
  async apply(missing: Missing, starts: readonly PartitionStart[], signal: AbortSignal): Promise<void> {
    const { formats, inputs, onDisbelieved, outcomeTopic, reader, store } = this.#options
    const inputTopics = inputs.names
    const inputFrom = new Map(missing.inputs.map((it) => [nameOf(it), it.from]))
    const triggers = new Map<string, PartitionRange>()
    const believed = new BelievedOutcomes(reader, inputTopics, outcomeTopic, formats)
    // By registration that is made anew: an ending that is remembered, and whose trigger is not run again below. A relay
    // delivered it, and the store has lost what became of that; or one resolved it while the registration was missing.
    const remembered = new Map<string, TriggerStep>()
    const remember = (step: TriggerStep): void => {
      const { origin } = step.ending
      if (origin.offset >= (inputFrom.get(nameOf(origin)) ?? Infinity)) return
      const { issuer, sessionId } = step as Extract<TriggerStep, { kind: 'end-session' }>
      remembered.set(`${issuer}\n${sessionId}\n${positionOf(origin)}`, step)
    }
    const take = async (records: readonly WireRecord[]): Promise<void> => {
      for (const record of records) believed.note(record)
      const wanted = records.filter((record) => {
        // A settled registration that is read again without its outcome would be owed again.
        if (isOutcome(record)) return true
        const { topic, partition, offset } = record
        if (offset < (inputFrom.get(nameOf(record)) ?? Infinity)) return false
        if (!formats.mayConcern(record, 'trigger')) return true
        const { from } = triggers.get(nameOf(record)) ?? { from: offset }
        triggers.set(nameOf(record), { topic, partition, from, to: offset + 1 })
        return formats.mayConcern(record, 'registration') || formats.mayConcern(record, 'client')
      })
      await store.register(wanted, (record) => believed.take(record), remember, missing.areReadAgain)
    }
    const read = async (phase: 'registrations' | 'outcomes', ranges: readonly PartitionRange[]) => {
      believed.expect(ranges)
      await this.#readAll(phase, ranges, take, signal)
    }
    // Triggers before their outcomes, if outcomes have their own topic.
    if (inputTopics.includes(outcomeTopic))
      await read('registrations', joined(missing.inputs, missing.outcomes))
    else {
      await read('registrations', missing.inputs)
      await read('outcomes', missing.outcomes)
    }
    // Deliveries in flight at the loss of the store may have ended since, also behind another producer's open
    // transaction. They are not owed any more.
    const later = since(
      missing.outcomes,
      await reader.bounds(missing.outcomes.length > 0 ? [outcomeTopic] : []),
    )
    await this.#readAll('outcomes', later, take, signal, (...read) => reader.readOutcomes(...read))
    const rest = await believed.rest(signal)
    this.#options.beforeWrite()
    await store.settle(rest, missing.areReadAgain)
    for (const [trigger, outcomes] of await believed.withTriggers(signal)) {
      this.#options.beforeWrite()
      await store.settleCut(trigger, outcomes, missing.areReadAgain)
    }
    if (believed.disbelieved.count > 0) onDisbelieved(believed.disbelieved)
    // The first reading found their positions.
    await this.runAgain([...triggers.values()], starts, signal)
    const startOf = startsByName(starts)
    await store.runRemembered([...remembered.values()], (origin) => startOf.get(nameOf(origin)), signal)
  }

  async runAgain(
    ranges: readonly PartitionRange[],
    starts: readonly PartitionStart[],
    signal: AbortSignal,
  ): Promise<void> {
    const { store } = this.#options
    const startOf = startsByName(starts)
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
    const { beforeWrite, onProgress } = this.#options
    const recordsTotal = ranges.reduce((sum, { from, to }) => sum + Math.max(to - from, 0), 0)
    let records = 0
    let reported = 0
    onProgress({ phase, records, recordsTotal })
    await read(
      ranges,
      async (batch: RecordBatch) => {
        beforeWrite()
        await take(batch.records)
        records += batch.nextOffset - batch.fetchedOffset
        if (records - reported < PROGRESS_EVERY_RECORDS) return
        reported = records
        onProgress({ phase, records, recordsTotal })
      },
      signal,
    )
  }
}

function startsByName(starts: readonly PartitionStart[]): ReadonlyMap<string, PartitionStart> {
  return new Map(starts.map((it) => [nameOf(it), it]))
}

function nameOf({ topic, partition }: TopicPartition): string {
  return `${topic}/${partition}`
}

/** One range per partition that spans both: a topic may be input and outcome topic. */
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

/** The ranges that were written, or became readable, since the earlier reading. */
function since(earlier: readonly PartitionRange[], later: readonly PartitionBounds[]): PartitionRange[] {
  return later.map(wholeOf).map((range) => {
    const before = earlier.find((it) => isSamePartition(it, range))
    return { ...range, from: Math.max(before?.to ?? range.from, range.from) }
  })
}
