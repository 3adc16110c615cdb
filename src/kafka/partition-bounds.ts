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

export type PartitionOffset = TopicPartition & { readonly offset: number }

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
export function fetchBounds(
  cluster: Cluster,
  topics: readonly string[],
  optional: readonly string[] = [],
): Promise<PartitionBounds[]> {
  return askLeaders(cluster, topics, optional, async (broker, led) => {
    // One connection answers in order. The readable end comes last: a record written between two answers must not look as if an
    // open transaction hid it.
    const [lows, ends, readable] = await Promise.all([
      offsetsAt(broker, led, READ_UNCOMMITTED, EARLIEST),
      offsetsAt(broker, led, READ_UNCOMMITTED, LATEST),
      offsetsAt(broker, led, READ_COMMITTED, LATEST),
    ])
    const [tos, logEnds] = [byName(readable), byName(ends)]
    return lows.map(({ offset: from, ...partition }) => {
      const to = tos.get(nameOf(partition)) ?? 0
      return { ...partition, from, to, end: Math.max(to, logEnds.get(nameOf(partition)) ?? 0) }
    })
  })
}

/**
 * The first readable offset at or after a time for each partition, or the readable end if there is none. kafkajs' admin client
 * asks for one topic at a time, and each time for the metadata of all topics that it has asked for before.
 */
export function fetchOffsetsAt(
  cluster: Cluster,
  topics: readonly string[],
  timeMs: number,
): Promise<PartitionOffset[]> {
  return askLeaders(cluster, topics, [], async (broker, led) => {
    const [found, ends] = await Promise.all([
      offsetsAt(broker, led, READ_COMMITTED, timeMs),
      offsetsAt(broker, led, READ_COMMITTED, LATEST),
    ])
    const to = byName(ends)
    return found.map((it) => (it.offset >= 0 ? it : { ...it, offset: to.get(nameOf(it)) ?? 0 }))
  })
}

type Led = ReadonlyMap<string, readonly number[]>

/** Asks every leader about the partitions that it leads, again if its metadata are stale. */
async function askLeaders<T>(
  cluster: Cluster,
  topics: readonly string[],
  optional: readonly string[],
  ask: (broker: Broker, led: Led) => Promise<T[]>,
): Promise<T[]> {
  for (let tries = 1; ; tries++) {
    try {
      const answers = [...(await leadersOf(cluster, topics, optional))].map(async ([nodeId, led]) =>
        ask(await cluster.findBroker({ nodeId }), led),
      )
      return (await Promise.all(answers)).flat()
    } catch (error) {
      const { code, type = '' } = error as { code?: string; type?: string }
      if (tries >= TRIES || !(STALE.has(type) || code === 'LR_TOPIC_MISSING')) throw error
      await delay(PAUSE_MS)
      await cluster.refreshMetadata()
    }
  }
}

async function leadersOf(
  cluster: Cluster,
  topics: readonly string[],
  optional: readonly string[],
): Promise<Map<string, Led>> {
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
  return byLeader
}

async function offsetsAt(
  broker: Broker,
  led: Led,
  isolationLevel: number,
  timestamp: number,
): Promise<PartitionOffset[]> {
  const topics = [...led].map(([topic, partitions]) => ({
    topic,
    partitions: partitions.map((partition) => ({ partition, timestamp })),
  }))
  const { responses } = await broker.listOffsets({ isolationLevel, topics })
  return responses.flatMap(({ topic, partitions }) =>
    partitions.map(({ partition, offset }) => ({ topic, partition, offset: Number(offset) })),
  )
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

function byName(offsets: readonly PartitionOffset[]): Map<string, number> {
  return new Map(offsets.map((it) => [nameOf(it), it.offset]))
}

function nameOf({ topic, partition }: TopicPartition): string {
  return `${topic}/${partition}`
}
