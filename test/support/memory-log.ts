import { EventEmitter } from 'node:events'
import type { OutgoingRecord } from '../../src/delivery/outcome-log.ts'
import { isOutcome } from '../../src/events/outcome.ts'
import type { TopicPartition, WireHeaders, WireRecord } from '../../src/events/wire-record.ts'
import type { LogReader, PartitionBounds, PartitionRange } from '../../src/intake/log-reader.ts'
import type { RecordBatch } from '../../src/intake/record-source.ts'
import type { CommittedPosition } from '../../src/intake/start-plan.ts'
import type { AppliedPosition } from '../../src/registry/epoch-store.ts'

export interface LoggedRecord extends TopicPartition {
  /** JSON unless it is text or bytes. */
  readonly value: unknown
  readonly timestampMs: number
  readonly headers?: WireHeaders
}

/** Few, so that a test's handful of records comes in several batches. */
const BATCH_RECORDS = 2

/**
 * A log of several topics and partitions, with what one group has committed of it. Partitions are read in turns, a batch
 * of each, so that their records interleave as they do from Kafka. It tells of each batch before it hands it over
 * (`batch`): what a test does then happens while the log is read.
 */
export class MemoryLog implements LogReader {
  readonly events = new EventEmitter<{ batch: [RecordBatch] }>()
  /** Ranges that were asked for, without the empty ones. */
  readonly asked: PartitionRange[] = []
  /** The group has members now. */
  isServed = false
  readonly #partitions = new Map<string, WireRecord[]>()
  readonly #starts = new Map<string, number>()
  readonly #hidden = new Map<string, number>()
  readonly #committed = new Map<string, CommittedPosition>()
  /** Which topic stands behind each name. */
  readonly ids = new Map<string, string>()

  /** `partitions`: how many each topic has. */
  constructor(partitions: Readonly<Record<string, number>>) {
    for (const [topic, count] of Object.entries(partitions)) this.create(topic, count)
  }

  create(topic: string, partitions: number): void {
    for (let partition = 0; partition < partitions; partition++)
      this.#partitions.set(nameOf({ topic, partition }), [])
  }

  async names(): Promise<readonly string[]> {
    return [...new Set([...this.#partitions.keys()].map((name) => partitionOf(name).topic))]
  }

  append({ topic, partition, value, timestampMs, headers = {} }: LoggedRecord): WireRecord {
    const records = this.#records({ topic, partition })
    const bytes = Buffer.isBuffer(value) ? value : Buffer.from(JSON.stringify(value))
    const record = {
      ...{ topic, partition, timestampMs, headers },
      offset: records.length,
      key: null,
      value: bytes,
    }
    records.push(record)
    return record
  }

  /** As a relay writes it, to a partition that need not be the one of what it is about. */
  appendOutgoing(
    { topic, value, headers }: OutgoingRecord,
    partition: number,
    timestampMs: number,
  ): WireRecord {
    return this.append({ topic, partition, headers, timestampMs, value: Buffer.from(value ?? '') })
  }

  /** Everything before `offset` is gone: retention has passed it. */
  truncate(partition: TopicPartition, offset: number): void {
    this.#starts.set(nameOf(partition), offset)
  }

  /** `note`: what a relay writes beside an offset; without one somebody else has committed it. */
  commit(
    partition: TopicPartition,
    offset: number,
    note: Pick<CommittedPosition, 'start' | 'topicId' | 'epoch'> = {},
  ): void {
    this.#committed.set(nameOf(partition), { ...partition, ...note, offset })
  }

  /** The group has committed nothing, or its members did not let anybody. */
  forget(): void {
    this.#committed.clear()
  }

  /** From that offset on a transaction of another producer is open; `undefined` when it has ended. */
  hide(partition: TopicPartition, offset: number | undefined): void {
    if (offset === undefined) this.#hidden.delete(nameOf(partition))
    else this.#hidden.set(nameOf(partition), offset)
  }

  async bounds(topics: readonly string[]): Promise<PartitionBounds[]> {
    return this.#of(topics).map((it) => {
      const end = this.#records(it).length
      const to = this.#hidden.get(nameOf(it)) ?? end
      return { ...it, from: this.#starts.get(nameOf(it)) ?? 0, to, end }
    })
  }

  async offsetsAt(topics: readonly string[], timeMs: number) {
    return this.#of(topics).map((it) => {
      const records = this.#records(it)
      const found = records.findIndex(({ timestampMs }) => timestampMs >= timeMs)
      return { ...it, offset: found < 0 ? records.length : found }
    })
  }

  async committed(_groupId: string, topics: readonly string[]) {
    return this.#of(topics).flatMap((it) => this.#committed.get(nameOf(it)) ?? [])
  }

  async topicIds(): Promise<ReadonlyMap<string, string>> {
    return this.ids
  }

  async commitForEmptyGroup(_groupId: string, positions: readonly AppliedPosition[]): Promise<boolean> {
    if (this.isServed) return false
    for (const it of positions) this.#committed.set(nameOf(it), it)
    return true
  }

  async hasMembers(): Promise<boolean> {
    return this.isServed
  }

  readOutcomes(...[ranges, take, signal]: Parameters<LogReader['read']>): Promise<void> {
    return this.read(ranges, (batch) => take({ ...batch, records: batch.records.filter(isOutcome) }), signal)
  }

  async read(
    ranges: readonly PartitionRange[],
    take: (batch: RecordBatch) => Promise<void>,
    signal: AbortSignal,
  ): Promise<void> {
    let left = ranges.filter(({ from, to }) => from < to)
    this.asked.push(...left)
    while (left.length > 0) {
      const next: PartitionRange[] = []
      for (const range of left) {
        signal.throwIfAborted()
        const { topic, partition, from, to } = range
        const nextOffset = Math.min(from + BATCH_RECORDS, to)
        const records = this.#records(range)
        const endOffset = records.length
        const batch = {
          ...{ topic, partition, nextOffset, endOffset },
          records: records.slice(from, nextOffset),
          fetchedOffset: from,
        }
        this.events.emit('batch', batch)
        await take(batch)
        if (nextOffset < to) next.push({ ...range, from: nextOffset })
      }
      left = next
    }
  }

  #of(topics: readonly string[]): TopicPartition[] {
    return [...this.#partitions.keys()].map(partitionOf).filter(({ topic }) => topics.includes(topic))
  }

  #records(partition: TopicPartition): WireRecord[] {
    const records = this.#partitions.get(nameOf(partition))
    if (records === undefined) throw new Error(`the log has no ${nameOf(partition)}`)
    return records
  }
}

function nameOf({ topic, partition }: TopicPartition): string {
  return `${topic}/${partition}`
}

function partitionOf(name: string): TopicPartition {
  const at = name.lastIndexOf('/')
  return { topic: name.slice(0, at), partition: Number(name.slice(at + 1)) }
}
