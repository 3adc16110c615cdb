import { mayBeRegistration, mayBeTrigger } from '../events/decode/known-types.ts'
import { isOutcome, outcomeTypes, readOutcome, type SettledByLog } from '../events/outcome.ts'
import { headerText, type RecordPosition, type WireRecord } from '../events/wire-record.ts'
import type { TopicPartition } from '../kafka/record-source.ts'
import type { LogReader, PartitionRange } from './log-reader.ts'
import { OffsetSet } from './offset-set.ts'

/** Wanted records that lie so close together are read in one go. */
const GAP_MAX = 2_000
/** More is not looked for: what is asked then is believed. */
const WINDOWS_MAX = 200

export interface DisbelievedOutcomes {
  readonly count: number
  /** Where the first of them stands. */
  readonly first: RecordPosition | undefined
}

/** For people. */
export function describeDisbelieved({ count, first }: DisbelievedOutcomes): string {
  const where = first === undefined ? '' : `, the first at ${positionOf(first)}`
  return `${count} outcome(s) are not believed, because they do not stand on KAFKA_OUTCOME_TOPIC or name a trigger that is not on the log${where}: what they say is settled is not`
}

/**
 * Which outcomes of the log are believed when the registry is built from it. Only those on the outcome topic, and of those
 * none whose trigger the log should hold and does not: whoever may write a trigger could end registrations in silence.
 *
 * A trigger may be read after its outcome, from another partition; such an outcome waits until everything is read.
 */
export class BelievedOutcomes {
  #disbelieved: DisbelievedOutcomes = { count: 0, first: undefined }
  readonly #outcomeTopic: string
  readonly #topics: ReadonlySet<string>
  readonly #reader: LogReader
  readonly #read = new Map<string, { range: PartitionRange; origins: OffsetSet }>()
  #waiting: { readonly outcome: SettledByLog; readonly record: RecordPosition }[] = []

  constructor(reader: LogReader, inputTopics: readonly string[], outcomeTopic: string) {
    this.#reader = reader
    this.#outcomeTopic = outcomeTopic
    this.#topics = new Set([...inputTopics, outcomeTopic])
  }

  get disbelieved(): DisbelievedOutcomes {
    return this.#disbelieved
  }

  /** All records of these ranges are about to be handed to `note`. */
  expect(ranges: readonly PartitionRange[]): void {
    for (const range of ranges) {
      const known = this.#read.get(nameOf(range))
      if (known === undefined) this.#read.set(nameOf(range), { range, origins: new OffsetSet(range.from) })
      // It is read on from where it ended.
      else known.range = { ...known.range, to: Math.max(known.range.to, range.to) }
    }
  }

  note(record: WireRecord): void {
    if (mayBeOrigin(record)) this.#read.get(nameOf(record))?.origins.add(record.offset)
  }

  /** The outcome, when the record is one and is believed by now. */
  take(record: WireRecord): SettledByLog | undefined {
    if (record.topic !== this.#outcomeTopic) {
      if (isOutcome(record)) this.#disbelieve(record)
      return undefined
    }
    const outcome = readOutcome(record)
    if (outcome === undefined) return undefined
    const { origin } = outcome
    if (origin !== undefined && this.#isRead(origin)) return outcome
    const { topic, partition, offset } = record
    this.#waiting.push({ outcome, record: { topic, partition, offset } })
    return undefined
  }

  /** Those that waited, and are believed now that everything is read. */
  async rest(signal: AbortSignal): Promise<SettledByLog[]> {
    const waiting = this.#waiting
    this.#waiting = []
    if (waiting.length === 0) return []
    const elsewhere = waiting.flatMap(({ outcome: { origin } }) =>
      origin === undefined || this.#isInRange(origin) ? [] : [origin],
    )
    const held = await this.#lookUp(elsewhere, signal)
    return waiting.flatMap(({ outcome, record }) => {
      const { origin } = outcome
      if (origin !== undefined && (this.#isRead(origin) || held(origin))) return [outcome]
      this.#disbelieve(record)
      return []
    })
  }

  #disbelieve({ topic, partition, offset }: RecordPosition): void {
    const { count, first = { topic, partition, offset } } = this.#disbelieved
    this.#disbelieved = { count: count + 1, first }
  }

  #isRead(origin: RecordPosition): boolean {
    return this.#read.get(nameOf(origin))?.origins.has(origin.offset) === true
  }

  #isInRange(origin: RecordPosition): boolean {
    const range = this.#read.get(nameOf(origin))?.range
    return range !== undefined && origin.offset >= range.from && origin.offset < range.to
  }

  /** What stands outside of what was read: whether the log holds it, or does not hold it any more. */
  async #lookUp(
    origins: readonly RecordPosition[],
    signal: AbortSignal,
  ): Promise<(origin: RecordPosition) => boolean> {
    if (origins.length === 0) return () => false
    const bounds = new Map(
      (await this.#reader.bounds([...this.#topics])).map((it) => [nameOf(it), { end: it.to, ...it }]),
    )
    const found = new Set<string>()
    let windows = 0
    let isWhole = true
    for (const all of Map.groupBy(origins, nameOf).values()) {
      const within = bounds.get(nameOf(all[0] as RecordPosition))
      if (within === undefined) continue
      for (const window of windowsOf(all, within)) {
        if (++windows > WINDOWS_MAX) isWhole = false
        else await this.#readWindow(window, found, signal)
      }
    }
    return (origin) => {
      const within = bounds.get(nameOf(origin))
      if (within === undefined || origin.offset >= within.end) return false
      return origin.offset < within.from || !isWhole || found.has(positionOf(origin))
    }
  }

  #readWindow(window: PartitionRange, found: Set<string>, signal: AbortSignal): Promise<void> {
    return this.#reader.read(
      [window],
      async ({ records }) => {
        for (const record of records) if (mayBeOrigin(record)) found.add(positionOf(record))
      },
      signal,
    )
  }
}

/** A trigger, a registration that came after its session had ended, or a failure that an operator had delivered again. */
function mayBeOrigin(record: WireRecord): boolean {
  if (record.unreadable !== undefined) return false
  const type = record.type ?? headerText(record.headers, 'ce_type')
  return mayBeTrigger(type) || mayBeRegistration(type) || type === outcomeTypes.failed
}

function windowsOf(origins: readonly RecordPosition[], { from, to }: PartitionRange): PartitionRange[] {
  const { topic, partition } = origins[0] as RecordPosition
  const windows: { topic: string; partition: number; from: number; to: number }[] = []
  for (const offset of origins.map((it) => it.offset).sort((a, b) => a - b)) {
    if (!(offset >= from && offset < to)) continue
    const last = windows.at(-1)
    if (last !== undefined && offset - last.to <= GAP_MAX) last.to = offset + 1
    else windows.push({ topic, partition, from: offset, to: offset + 1 })
  }
  return windows
}

function nameOf({ topic, partition }: TopicPartition): string {
  return `${topic}/${partition}`
}

function positionOf({ topic, partition, offset }: RecordPosition): string {
  return `${topic}/${partition}/${offset}`
}
