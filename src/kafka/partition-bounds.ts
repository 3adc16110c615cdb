import type { TopicPartition } from '../events/wire-record.ts'
import { delay } from '../lib/deferred.ts'
import { RelayFault } from '../lib/errors.ts'
import { type Broker, type Cluster, READ_COMMITTED, READ_UNCOMMITTED } from './kafkajs/kafka-cluster.ts'

/** The bounds of a partition, all of them offsets. `to` and `end` are exclusive. */
export interface PartitionBounds extends TopicPartition {
  /** The oldest record that is left. */
  readonly from: number
  /** The end of the readable records. An open transaction may follow. */
  readonly to: number
  /** The end of the log, including open transactions and records behind them. */
  readonly end: number
}

const EARLIEST = -2
const LATEST = -1
const TRIES = 5
const PAUSE_MS = 100
/** The metadata are older than the topic, or the broker lags behind them. */
const STALE = new Set(['UNKNOWN_TOPIC_OR_PARTITION', 'NOT_LEADER_FOR_PARTITION', 'LEADER_NOT_AVAILABLE'])

/**
 * Reads the bounds of topics. kafkajs' admin client returns only the readable end, and calls it the other one. Throws
 * `LR_TOPIC_MISSING` for a missing topic, since taking it for empty would lose its records; leaves out missing `optional`
 * topics.
 */
export async function fetchBounds(
  cluster: Cluster,
  topics: readonly string[],
  optional: readonly string[] = [],
): Promise<PartitionBounds[]> {
  for (let tries = 1; ; tries++) {
    try {
      return await look(cluster, topics, optional)
    } catch (error) {
      const { code, type = '' } = error as { code?: string; type?: string }
      if (tries >= TRIES || !(STALE.has(type) || code === 'LR_TOPIC_MISSING')) throw error
      await delay(PAUSE_MS)
      await cluster.refreshMetadata()
    }
  }
}

async function look(
  cluster: Cluster,
  topics: readonly string[],
  optional: readonly string[],
): Promise<PartitionBounds[]> {
  await cluster.addMultipleTargetTopics([...topics])
  await cluster.refreshMetadataIfNecessary()
  const byLeader = new Map<string, Map<string, number[]>>()
  for (const topic of new Set(topics)) {
    const partitions = cluster.findTopicPartitionMetadata(topic).map(({ partitionId }) => partitionId)
    if (partitions.length === 0 && !optional.includes(topic))
      throw new RelayFault('LR_TOPIC_MISSING', `topic ${topic} does not exist`)
    for (const [leader, led] of Object.entries(cluster.findLeaderForPartitions(topic, partitions))) {
      byLeader.set(leader, (byLeader.get(leader) ?? new Map()).set(topic, led))
    }
  }
  const bounds = [...byLeader].map(async ([nodeId, led]) =>
    boundsAt(await cluster.findBroker({ nodeId }), led),
  )
  return (await Promise.all(bounds)).flat()
}

async function boundsAt(
  broker: Broker,
  led: ReadonlyMap<string, readonly number[]>,
): Promise<PartitionBounds[]> {
  const offsets = async (isolationLevel: number, timestamp: number) => {
    const topics = [...led].map(([topic, partitions]) => ({
      topic,
      partitions: partitions.map((partition) => ({ partition, timestamp })),
    }))
    const { responses } = await broker.listOffsets({ isolationLevel, topics })
    return responses.flatMap(({ topic, partitions }) =>
      partitions.map(({ partition, offset }) => ({ topic, partition, offset: Number(offset) })),
    )
  }
  // One connection answers in order, so each end is at least as recent as its lower bound.
  const [lows, readable, ends] = await Promise.all([
    offsets(READ_UNCOMMITTED, EARLIEST),
    offsets(READ_COMMITTED, LATEST),
    offsets(READ_UNCOMMITTED, LATEST),
  ])
  const of = (list: typeof lows, { topic, partition }: TopicPartition) =>
    list.find((it) => it.topic === topic && it.partition === partition)?.offset ?? 0
  return lows.map(({ offset: from, ...partition }) => ({
    ...partition,
    from,
    to: of(readable, partition),
    end: of(ends, partition),
  }))
}

/** The time of the oldest record; `undefined` if there is none. Milliseconds since the epoch. */
export async function timeOfFirst(
  cluster: Cluster,
  { topic, partition }: TopicPartition,
): Promise<number | undefined> {
  const [nodeId] = Object.keys(cluster.findLeaderForPartitions(topic, [partition]))
  if (nodeId === undefined) return undefined
  const broker = await cluster.findBroker({ nodeId })
  const topics = [{ topic, partitions: [{ partition, timestamp: 0 }] }]
  const { responses } = await broker.listOffsets({ isolationLevel: READ_UNCOMMITTED, topics })
  const timestampMs = Number(responses[0]?.partitions[0]?.timestamp ?? -1)
  return timestampMs < 0 ? undefined : timestampMs
}

/** The time of the first record at or after an offset, committed or not; `undefined` if there is none. */
export async function timeAt(
  cluster: Cluster,
  { topic, partition }: TopicPartition,
  offset: number,
): Promise<number | undefined> {
  const [nodeId] = Object.keys(cluster.findLeaderForPartitions(topic, [partition]))
  if (nodeId === undefined) return undefined
  const broker = await cluster.findBroker({ nodeId })
  const partitions = [{ partition, fetchOffset: String(offset), maxBytes: 1 }]
  const { responses } = await broker.fetch({
    maxWaitTime: 0,
    minBytes: 1,
    maxBytes: 1,
    isolationLevel: READ_UNCOMMITTED,
    topics: [{ topic, partitions }],
  })
  const first = responses[0]?.partitions[0]?.messages.find((it) => Number(it.offset) >= offset)
  return first === undefined ? undefined : Number(first.timestamp)
}
