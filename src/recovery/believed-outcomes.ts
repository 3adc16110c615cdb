import {
  type CutOutcome,
  isOutcome,
  isShadowed,
  readCutOutcome,
  readOutcome,
  type SettledByLog,
} from '../events/outcome.ts'
import type { TopicPartition } from '../events/wire-record.ts'
import { positionOf, type RecordPosition, type WireRecord } from '../events/wire-record.ts'
import type { LogReader, PartitionRange } from '../intake/log-reader.ts'
import { counted } from '../lib/counted.ts'
import { OffsetSet } from './offset-set.ts'
import { type Formats, lookUpOrigins, mayBeOrigin } from './origin-lookup.ts'

export interface DisbelievedOutcomes {
  readonly count: number
  readonly first: RecordPosition | undefined
}

export function describeDisbelieved({ count, first }: DisbelievedOutcomes): string {
  const where = first === undefined ? '' : `, the first at ${positionOf(first)}`
  return `${counted(count, 'outcome is', 'outcomes are')} ignored, because they are not on KAFKA_OUTCOME_TOPIC or their trigger is not on the topic${where}: their deliveries stay owed`
}

/**
 * Decides which outcomes of the log count when the registry is built from it: those on the outcome topic, except outcomes
 * whose trigger the log should hold and does not. Otherwise anybody who may write triggers could end registrations silently.
 *
 * A trigger in another partition may be read after its outcome. Such an outcome waits until everything is read.
 */
export class BelievedOutcomes {
  #disbelieved: DisbelievedOutcomes = { count: 0, first: undefined }
  readonly #formats: Formats
  readonly #outcomeTopic: string
  readonly #topics: readonly string[]
  readonly #reader: LogReader
  readonly #read = new Map<string, { range: PartitionRange; origins: OffsetSet; firstMs?: number }>()
  readonly #cut: CutOutcome[] = []
  #waiting: { readonly outcome: SettledByLog; readonly record: RecordPosition }[] = []

  constructor(reader: LogReader, inputTopics: readonly string[], outcomeTopic: string, formats: Formats) {
    this.#reader = reader
    this.#formats = formats
    this.#outcomeTopic = outcomeTopic
    this.#topics = [...new Set([...inputTopics, outcomeTopic])]
  }

  get disbelieved(): DisbelievedOutcomes {
    return this.#disbelieved
  }

  /** Announces that all records of these ranges will be passed to `note`. */
  expect(ranges: readonly PartitionRange[]): void {
    for (const range of ranges) {
      const known = this.#read.get(nameOf(range))
      if (known === undefined) this.#read.set(nameOf(range), { range, origins: new OffsetSet(range.from) })
      // Reading continues where it ended.
      else known.range = { ...known.range, to: Math.max(known.range.to, range.to) }
    }
  }

  note(record: WireRecord): void {
    const read = this.#read.get(nameOf(record))
    if (read === undefined) return
    read.firstMs ??= record.timestampMs
    if (mayBeOrigin(record, this.#formats)) read.origins.add(record.offset)
  }

  /** The outcome, if the record is one and is believed already. */
  take(record: WireRecord): SettledByLog | undefined {
    if (record.topic !== this.#outcomeTopic) {
      if (isOutcome(record) && !isShadowed(record)) this.#disbelieve(record)
      return undefined
    }
    const outcome = readOutcome(record)
    if (outcome === undefined) {
      const cut = readCutOutcome(record)
      if (cut !== undefined) this.#cut.push(cut)
      return undefined
    }
    const { origin } = outcome
    if (origin !== undefined && this.#isRead(origin)) return outcome
    const { topic, partition, offset } = record
    this.#waiting.push({ outcome, record: { topic, partition, offset } })
    return undefined
  }

  /** The waiting outcomes that are believed, now that everything is read. */
  async rest(signal: AbortSignal): Promise<SettledByLog[]> {
    const waiting = this.#waiting
    this.#waiting = []
    if (waiting.length === 0) return []
    const elsewhere = waiting.flatMap(({ outcome: { origin } }) =>
      origin === undefined || this.#isInRange(origin) ? [] : [origin],
    )
    const held = await lookUpOrigins(this.#reader, this.#topics, this.#formats, elsewhere, signal)
    return waiting.flatMap(({ outcome, record }) => {
      const { origin } = outcome
      if (origin !== undefined && (this.#isRead(origin) || held(origin))) return [outcome]
      // Of a topic that had the same name before, and is gone with its registrations: no forgery.
      if (origin === undefined || !this.#isOlderThanRead(origin, outcome.recordedAtMs))
        this.#disbelieve(record)
      return []
    })
  }

  /**
   * Outcomes with cut ids, each with its trigger, now that everything is read. Those are left out whose trigger the log does
   * not hold, also if retention has dropped it: what they settled cannot be told.
   */
  async withTriggers(signal: AbortSignal): Promise<[trigger: WireRecord, outcomes: readonly CutOutcome[]][]> {
    const byTrigger = Map.groupBy(this.#cut.splice(0), ({ trigger }) => positionOf(trigger))
    const found: [WireRecord, readonly CutOutcome[]][] = []
    const positions = [...byTrigger.values()].flatMap(([first]) => first?.trigger ?? [])
    await lookUpOrigins(this.#reader, this.#topics, this.#formats, positions, signal, (record) =>
      found.push([record, byTrigger.get(positionOf(record)) ?? []]),
    )
    return found
  }

  #disbelieve({ topic, partition, offset }: RecordPosition): void {
    const { count, first = { topic, partition, offset } } = this.#disbelieved
    this.#disbelieved = { count: count + 1, first }
  }

  #isRead(origin: RecordPosition): boolean {
    return this.#read.get(nameOf(origin))?.origins.has(origin.offset) === true
  }

  #isOlderThanRead(origin: RecordPosition, recordedAtMs: number): boolean {
    return recordedAtMs < (this.#read.get(nameOf(origin))?.firstMs ?? Number.NEGATIVE_INFINITY)
  }

  #isInRange(origin: RecordPosition): boolean {
    const range = this.#read.get(nameOf(origin))?.range
    return range !== undefined && origin.offset >= range.from && origin.offset < range.to
  }
}

function nameOf({ topic, partition }: TopicPartition): string {
  return `${topic}/${partition}`
}
