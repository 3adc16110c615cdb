import { createRequire } from 'node:module'
import type { Kafka, KafkaMessage } from 'kafkajs'
import { isOutcome } from '../events/outcome.ts'
import type { TopicPartition, WireRecord } from '../events/wire-record.ts'
import type { LogReader, PartitionRange } from '../intake/log-reader.ts'
import type { RecordBatch } from '../intake/record-source.ts'
import { delay } from '../lib/deferred.ts'
import { codeOf, RelayFault } from '../lib/errors.ts'
import { GroupPositions } from './group-positions.ts'
import { explainRefusal, topicsText } from './kafka-refusal.ts'
import type { KafkaTopics } from './kafka-topics.ts'
import { wireRecord } from './kafka-wire-record.ts'
import {
  type Cluster,
  createCluster,
  type FetchedPartition,
  READ_COMMITTED,
  READ_UNCOMMITTED,
} from './kafkajs/kafka-cluster.ts'
import { fetchBounds, type PartitionBounds } from './partition-bounds.ts'

interface FetchedBatch {
  messages: KafkaMessage[]
  isEmptyDueToFiltering(): boolean
  lastOffset(): string
}

const Batch = createRequire(import.meta.url)('kafkajs/src/consumer/batch') as new (
  topic: string,
  fetchedOffset: string,
  partition: FetchedPartition,
) => FetchedBatch

const FETCH_WAIT_MS = 200
const FETCH_BYTES = 8 * 1_024 * 1_024
const FETCH_BYTES_PER_PARTITION = 512 * 1_024
const FAILURES_IN_A_ROW_MAX = 30

export interface LogReaderOptions {
  /** Consecutive failures before a read throws. */
  readonly failuresMax?: number
  /** Called with each record before it is handed over, and awaited, so that it can be decoded. A rejection is a failure. */
  readonly prepare?: (record: WireRecord) => Promise<void> | undefined
}

export class KafkaLogReader implements LogReader {
  readonly #kafka: Kafka
  readonly #topics: KafkaTopics
  readonly #positions: GroupPositions
  readonly #failuresMax: number
  readonly #prepare: LogReaderOptions['prepare']

  constructor(
    kafka: Kafka,
    topics: KafkaTopics,
    { failuresMax = FAILURES_IN_A_ROW_MAX, prepare }: LogReaderOptions = {},
  ) {
    this.#kafka = kafka
    this.#topics = topics
    this.#positions = new GroupPositions(topics)
    this.#failuresMax = failuresMax
    this.#prepare = prepare
  }

  bounds(topics: readonly string[]): Promise<PartitionBounds[]> {
    return this.#topics.bounds(topics)
  }

  offsetsAt(topics: readonly string[], timeMs: number) {
    return this.#topics.offsetsAt(topics, timeMs)
  }

  committed(groupId: string, topics: readonly string[]) {
    return this.#positions.readCommitted(groupId, topics)
  }

  topicIds(topics: readonly string[]) {
    return this.#positions.topicIds(topics)
  }

  async commitForEmptyGroup(...[groupId, positions]: Parameters<LogReader['commitForEmptyGroup']>) {
    return (await this.#positions.commitAsNobody(groupId, positions)) === 'committed'
  }

  hasMembers(groupId: string): Promise<boolean> {
    return this.#topics.hasMembers(groupId)
  }

  read(ranges: readonly PartitionRange[], take: Take, signal: AbortSignal): Promise<void> {
    return this.#read(ranges, this.#prepared(take), signal, 'committed')
  }

  readOutcomes(ranges: readonly PartitionRange[], take: Take, signal: AbortSignal): Promise<void> {
    const takeOutcomes: Take = (batch) => take({ ...batch, records: batch.records.filter(isOutcome) })
    return this.#read(ranges, takeOutcomes, signal, 'outside')
  }

  /**
   * As `read`, for everything up to the end of the log, also what stands in a transaction that is open or was aborted. For
   * people alone: nothing may be done for such a record.
   */
  readHidden(ranges: readonly PartitionRange[], take: Take, signal: AbortSignal): Promise<void> {
    return this.#read(ranges, this.#prepared(take), signal, 'hidden')
  }

  #prepared(take: Take): Take {
    const prepare = this.#prepare
    if (prepare === undefined) return take
    return async (batch) => {
      for (const record of batch.records) {
        const waiting = prepare(record)
        if (waiting !== undefined) await waiting
      }
      await take(batch)
    }
  }

  async #read(
    ranges: readonly PartitionRange[],
    take: Take,
    signal: AbortSignal,
    what: Readable,
  ): Promise<void> {
    const left: Left = new Map(
      ranges
        .filter(({ from, to }) => from < to)
        .map(({ topic, partition, from, to }) => [
          nameOf({ topic, partition }),
          { topic, partition, from, to, fetchFrom: from },
        ]),
    )
    if (left.size === 0) return
    const cluster = createCluster(this.#kafka)
    let failures = 0
    let isPrepared = false
    // The next records are fetched while the current ones are processed.
    let ahead: Promise<RecordBatch[]> | undefined
    try {
      while (left.size > 0) {
        if (signal.aborted) throw new RelayFault('LR_STOPPED', 'reading the log was stopped')
        try {
          if (failures > 0 || !isPrepared) await prepare(cluster, [...left.values()])
          isPrepared = true
          const batches = await (ahead ?? fetchRound(cluster, left, what))
          ahead = fetchRound(cluster, left, what)
          // The next round awaits it; until then a rejection has no handler.
          ahead.catch(() => undefined)
          for (const batch of batches) {
            await take(batch)
            const range = left.get(nameOf(batch))
            if (range !== undefined) range.from = batch.nextOffset
          }
          for (const [name, { from, to }] of left) if (from >= to) left.delete(name)
          failures = 0
        } catch (error) {
          await ahead?.catch(() => undefined)
          ahead = undefined
          for (const range of left.values()) range.fetchFrom = range.from
          if (isOutOfRange(error)) {
            await skipToAvailable(cluster, left)
            // A repeated failure counts: the broker contradicts itself.
            if (++failures <= this.#failuresMax) continue
          }
          const fault = explainRefusal(error, `Read on topics ${topicsText(topicsOf(ranges))}`)
          if (codeOf(fault) === 'LR_REFUSED' || ++failures > this.#failuresMax) throw fault
          await delay(Math.min(100 * 2 ** failures, 1_000), signal)
        }
      }
    } finally {
      await ahead?.catch(() => undefined)
      await cluster.disconnect().catch(() => undefined)
    }
  }
}

async function prepare(cluster: Cluster, ranges: readonly PartitionRange[]): Promise<void> {
  await cluster.connect()
  await cluster.addMultipleTargetTopics(topicsOf(ranges))
  await cluster.refreshMetadata()
}

function topicsOf(ranges: readonly PartitionRange[]): string[] {
  return [...new Set(ranges.map(({ topic }) => topic))]
}

function isOutOfRange(error: unknown): boolean {
  return (error as { name?: string }).name === 'KafkaJSOffsetOutOfRange'
}

/** Retention may overtake a reader, and a topic may be recreated during a read. */
async function skipToAvailable(cluster: Cluster, left: Left): Promise<void> {
  for (const bounds of await fetchBounds(cluster, topicsOf([...left.values()]))) {
    const range = left.get(nameOf(bounds))
    if (range === undefined) continue
    range.from = Math.max(range.from, bounds.from)
    range.fetchFrom = range.from
    if (range.from >= range.to || range.from > bounds.end) left.delete(nameOf(bounds))
  }
}

interface RangeLeft extends TopicPartition {
  /** Earlier offsets are processed. */
  from: number
  /** Earlier offsets are fetched. */
  fetchFrom: number
  /** Exclusive. Lower than requested if the partition ends before. */
  to: number
}

type Left = Map<string, RangeLeft>
/** What of a log is read: what counts for readers; what stands outside of transactions; everything. */
type Readable = 'committed' | 'outside' | 'hidden'
type Take = (batch: RecordBatch) => Promise<void>

/** One fetch from every leader of a partition that is left. */
async function fetchRound(cluster: Cluster, left: Left, what: Readable): Promise<RecordBatch[]> {
  const byLeader = new Map<string, RangeLeft[]>()
  for (const range of left.values()) {
    if (range.fetchFrom >= range.to) continue
    const { topic, partition } = range
    const [leader] = Object.keys(cluster.findLeaderForPartitions(topic, [partition]))
    if (leader === undefined) throw new RelayFault('LR_UNAVAILABLE', `no leader for ${topic}/${partition}`)
    byLeader.set(leader, [...(byLeader.get(leader) ?? []), range])
  }
  const batches: RecordBatch[] = []
  for (const [nodeId, ranges] of byLeader) {
    const broker = await cluster.findBroker({ nodeId })
    const { responses } = await broker.fetch({
      maxWaitTime: FETCH_WAIT_MS,
      minBytes: 1,
      maxBytes: FETCH_BYTES,
      isolationLevel: what === 'committed' ? READ_COMMITTED : READ_UNCOMMITTED,
      topics: [...Map.groupBy(ranges, ({ topic }) => topic)].map(([topic, ofTopic]) => ({
        topic,
        partitions: ofTopic.map(({ partition, fetchFrom }) => ({
          partition,
          fetchOffset: String(fetchFrom),
          maxBytes: FETCH_BYTES_PER_PARTITION,
        })),
      })),
    })
    for (const { topicName, partitions } of responses) {
      for (const fetched of partitions) {
        const range = left.get(nameOf({ topic: topicName, partition: fetched.partition }))
        const batch = range && readBatch(range, fetched, what)
        if (batch !== undefined) batches.push(batch)
      }
    }
  }
  return batches
}

function readBatch(range: RangeLeft, fetched: FetchedPartition, what: Readable): RecordBatch | undefined {
  const { topic, partition, fetchFrom, to } = range
  const batch = new Batch(topic, String(fetchFrom), fetched)
  const endOffset = Number(fetched.highWatermark)
  if (batch.messages.length === 0 && !batch.isEmptyDueToFiltering()) {
    // More records will follow behind an open transaction.
    if (endOffset <= fetchFrom) range.to = fetchFrom
    return undefined
  }
  const nextOffset = Number(batch.lastOffset()) + 1
  range.fetchFrom = nextOffset
  const part = { topic, partition, fetchedOffset: fetchFrom }
  // The records of an open transaction do not count until the broker reports its end.
  const messages = what === 'outside' ? batch.messages.filter((it) => !isInTransaction(it)) : batch.messages
  const records = messages.map((message) => wireRecord(part, message))
  return {
    ...part,
    nextOffset,
    endOffset,
    records: records.filter(({ offset }) => offset < to),
  }
}

function isInTransaction(message: KafkaMessage): boolean {
  return (message as { batchContext?: { inTransaction: boolean } }).batchContext?.inTransaction === true
}

function nameOf({ topic, partition }: TopicPartition): string {
  return `${topic}/${partition}`
}
