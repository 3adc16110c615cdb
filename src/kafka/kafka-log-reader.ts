import { createRequire } from 'node:module'
import type { Kafka, KafkaMessage } from 'kafkajs'
import { codeOf, RelayFault } from '../errors.ts'
import { delay } from '../lib/deferred.ts'
import type { AppliedPosition } from '../recovery/epoch-store.ts'
import type { LogReader, PartitionRange } from '../recovery/log-reader.ts'
import { GroupPositions } from './group-positions.ts'
import { type Cluster, createCluster, type FetchedPartition, READ_COMMITTED } from './kafka-cluster.ts'
import { explained } from './kafka-refusal.ts'
import type { KafkaTopics } from './kafka-topics.ts'
import { wireRecord } from './kafka-wire-record.ts'
import { fetchBounds, type PartitionBounds } from './partition-bounds.ts'
import type { RecordBatch, TopicPartition } from './record-source.ts'

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

export class KafkaLogReader implements LogReader {
  readonly #kafka: Kafka
  readonly #topics: KafkaTopics
  readonly #positions: GroupPositions
  readonly #failuresMax: number

  /** `failuresMax`: in a row, before a read throws. */
  constructor(kafka: Kafka, topics: KafkaTopics, failuresMax = FAILURES_IN_A_ROW_MAX) {
    this.#kafka = kafka
    this.#topics = topics
    this.#positions = new GroupPositions(topics)
    this.#failuresMax = failuresMax
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

  async commitForEmptyGroup(groupId: string, positions: readonly AppliedPosition[]): Promise<boolean> {
    return (await this.#positions.commitAsNobody(groupId, positions)) === 'committed'
  }

  hasMembers(groupId: string): Promise<boolean> {
    return this.#topics.hasMembers(groupId)
  }

  async read(
    ranges: readonly PartitionRange[],
    take: (batch: RecordBatch) => Promise<void>,
    signal: AbortSignal,
  ): Promise<void> {
    const left = new Map(
      ranges.filter(({ from, to }) => from < to).map((range) => [nameOf(range), { ...range }]),
    )
    if (left.size === 0) return
    const cluster = createCluster(this.#kafka)
    let failures = 0
    let isPrepared = false
    try {
      while (left.size > 0) {
        if (signal.aborted) throw new RelayFault('LR_STOPPED', 'reading the log was stopped')
        try {
          if (failures > 0 || !isPrepared) await prepare(cluster, [...left.values()])
          isPrepared = true
          await readRound(cluster, left, take)
          failures = 0
        } catch (error) {
          if (isOutOfRange(error)) {
            await goOnAtWhatIsLeft(cluster, left)
            // Once more in vain counts: the broker does not agree with itself.
            if (++failures <= this.#failuresMax) continue
          }
          const fault = explained(error, `Read on topics ${topicsOf(ranges).join(', ')}`)
          if (codeOf(fault) === 'LR_REFUSED' || ++failures > this.#failuresMax) throw fault
          await delay(Math.min(100 * 2 ** failures, 1_000), signal)
        }
      }
    } finally {
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

/** Retention may overtake a reader, and a topic may be created anew under its eyes. */
async function goOnAtWhatIsLeft(cluster: Cluster, left: Left): Promise<void> {
  for (const bounds of await fetchBounds(cluster, topicsOf([...left.values()]))) {
    const range = left.get(nameOf(bounds))
    if (range === undefined) continue
    range.from = Math.max(range.from, bounds.from)
    if (range.from >= range.to || range.from > bounds.end) left.delete(nameOf(bounds))
  }
}

type Left = Map<string, { topic: string; partition: number; from: number; to: number }>

/** One fetch from every leader that holds something of what is left. */
async function readRound(
  cluster: Cluster,
  left: Left,
  take: (batch: RecordBatch) => Promise<void>,
): Promise<void> {
  const byLeader = new Map<string, Map<string, number[]>>()
  for (const { topic, partition } of left.values()) {
    const [leader] = Object.keys(cluster.findLeaderForPartitions(topic, [partition]))
    if (leader === undefined) throw new RelayFault('LR_UNAVAILABLE', `no leader for ${topic}/${partition}`)
    const topics = byLeader.get(leader) ?? new Map<string, number[]>()
    topics.set(topic, [...(topics.get(topic) ?? []), partition])
    byLeader.set(leader, topics)
  }
  for (const [nodeId, topics] of byLeader) {
    const broker = await cluster.findBroker({ nodeId })
    const { responses } = await broker.fetch({
      maxWaitTime: FETCH_WAIT_MS,
      minBytes: 1,
      maxBytes: FETCH_BYTES,
      isolationLevel: READ_COMMITTED,
      topics: [...topics].map(([topic, partitions]) => ({
        topic,
        partitions: partitions.map((partition) => ({
          partition,
          fetchOffset: String(left.get(nameOf({ topic, partition }))?.from ?? 0),
          maxBytes: FETCH_BYTES_PER_PARTITION,
        })),
      })),
    })
    for (const { topicName, partitions } of responses) {
      for (const fetched of partitions) await takePartition(topicName, fetched, left, take)
    }
  }
}

async function takePartition(
  topic: string,
  fetched: FetchedPartition,
  left: Left,
  take: (batch: RecordBatch) => Promise<void>,
): Promise<void> {
  const name = nameOf({ topic, partition: fetched.partition })
  const range = left.get(name)
  if (range === undefined) return
  const batch = new Batch(topic, String(range.from), fetched)
  if (batch.messages.length === 0 && !batch.isEmptyDueToFiltering()) {
    // Behind an open transaction there is more to come.
    if (Number(fetched.highWatermark) <= range.from) left.delete(name)
    return
  }
  const { partition, from, to } = range
  const nextOffset = Number(batch.lastOffset()) + 1
  const records = batch.messages.map((message) => wireRecord(topic, partition, message))
  await take({
    topic,
    partition,
    nextOffset,
    fetchedOffset: from,
    endOffset: Number(fetched.highWatermark),
    records: records.filter(({ offset }) => offset < to),
  })
  range.from = nextOffset
  if (nextOffset >= to) left.delete(name)
}

function nameOf({ topic, partition }: TopicPartition): string {
  return `${topic}/${partition}`
}
