import type { Admin, Kafka, PartitionMetadata } from 'kafkajs'
import { createTopicCommand, type ReachedKafka } from '../diagnosis/create-topic.ts'
import type { TopicPartition } from '../events/wire-record.ts'
import { delay, settledWithin } from '../lib/deferred.ts'
import { RelayFault } from '../lib/errors.ts'
import { protocolType } from './client-words.ts'
import { explainRefusal, topicsText } from './kafka-refusal.ts'
import { type Cluster, createCluster } from './kafkajs/kafka-cluster.ts'
import {
  fetchBounds,
  fetchOffsetsAt,
  type PartitionBounds,
  type PartitionOffset,
  timeAt,
} from './partition-bounds.ts'

/** The number of partitions rarely grows, and outcomes may use new ones five minutes later. */
const METADATA_AGE_MS_MAX = 5 * 60_000
/** Poison records may be large. Up to this size a dead letter keeps their bytes. */
const DEAD_LETTER_BYTES_MAX = 16 * 1_024 * 1_024
const LEADERS_WAIT_MS_MAX = 5_000
const LEADERS_POLL_MS = 50
const CLOSE_MS_MAX = 1_000

interface Known {
  readonly partitions: PartitionMetadata[]
  readonly readAtMs: number
}

/** The cluster's topics: whether they exist, their partitions and their ends. */
export class KafkaTopics {
  readonly #kafka: Kafka
  readonly #reached: ReachedKafka | undefined
  readonly #known = new Map<string, Known>()
  #admin: Promise<Admin> | undefined
  #cluster: Promise<Cluster> | undefined

  /** `reached`: for the command that a missing topic is created by. */
  constructor(kafka: Kafka, reached?: ReachedKafka) {
    this.#kafka = kafka
    this.#reached = reached
  }

  /** All topics of the cluster that this relay may see. */
  names(): Promise<string[]> {
    return this.ask((admin) => admin.listTopics())
  }

  /** Throws `LR_TOPIC_MISSING` when the topic does not exist. */
  async partitions(topic: string): Promise<PartitionMetadata[]> {
    const known = this.#known.get(topic)
    if (known !== undefined && performance.now() - known.readAtMs < METADATA_AGE_MS_MAX)
      return known.partitions
    const { topics } = await this.ask(
      (admin) => admin.fetchTopicMetadata({ topics: [topic] }),
      `Describe on topic ${topic}`,
    ).catch(missing(topic, this.#reached))
    const partitions = [...(topics[0]?.partitions ?? [])].sort((a, b) => a.partitionId - b.partitionId)
    if (partitions.length === 0)
      throw new RelayFault('LR_TOPIC_MISSING', `topic ${topic} has no partitions yet`)
    this.#known.set(topic, { partitions, readAtMs: performance.now() })
    return partitions
  }

  /** As `partitions`, including partitions without a leader (leader -1). Empty when the topic does not exist. */
  async layout(topic: string): Promise<PartitionMetadata[]> {
    const { topics } = await this.ask((admin) => admin.fetchTopicMetadata())
    const partitions = topics.find(({ name }) => name === topic)?.partitions ?? []
    return [...partitions].sort((a, b) => a.partitionId - b.partitionId)
  }

  /** Throws `LR_TOPIC_MISSING` for a missing topic, unless it is `optional`. */
  bounds(topics: readonly string[], optional: readonly string[] = []): Promise<PartitionBounds[]> {
    return this.askCluster(
      (cluster) => fetchBounds(cluster, topics, optional),
      `Describe on topics ${topicsText(topics)}`,
    )
  }

  /** The time of the first record at or after an offset, committed or not. Milliseconds since the epoch. */
  timeAt(partition: TopicPartition, offset: number): Promise<number | undefined> {
    return this.askCluster(
      (cluster) => timeAt(cluster, partition, offset),
      `Read on topic ${partition.topic}`,
    )
  }

  /** The first readable offset at or after a time for each partition, or its readable end. Milliseconds since the epoch. */
  offsetsAt(topics: readonly string[], timeMs: number): Promise<PartitionOffset[]> {
    return this.askCluster(
      (cluster) => fetchOffsetsAt(cluster, topics, timeMs),
      `Describe on topics ${topicsText(topics)}`,
    )
  }

  async committed(groupId: string, topics: readonly string[]): Promise<PartitionOffset[]> {
    const offsets = await this.ask(
      (admin) => admin.fetchOffsets({ groupId, topics: [...topics] }),
      `Read on group ${groupId}, Describe on topics ${topicsText(topics)}`,
    )
    return offsets.flatMap(({ topic, partitions }) =>
      partitions
        .filter(({ offset }) => Number(offset) >= 0)
        .map(({ partition, offset }) => ({ topic, partition, offset: Number(offset) })),
    )
  }

  async hasMembers(groupId: string): Promise<boolean> {
    const { groups } = await this.ask((admin) => admin.describeGroups([groupId]))
    return groups.some(({ members }) => members.length > 0)
  }

  /** Call it after a failure: leaders may have moved, partitions may have been added. */
  forget(): void {
    this.#known.clear()
  }

  /** Creates a topic of the relay unless it exists. The cluster's defaults set its partitions and replicas. */
  async ensure(topic: string, options: { holdsLargeRecords: boolean }): Promise<void> {
    const existing = await this.names()
    if (existing.includes(topic)) return
    const configEntries = options.holdsLargeRecords
      ? [{ name: 'max.message.bytes', value: String(DEAD_LETTER_BYTES_MAX) }]
      : []
    await this.ask(
      (admin) => admin.createTopics({ waitForLeaders: false, topics: [{ topic, configEntries }] }),
      `Create and Describe on topic ${topic}, or create it (this relay sees no such topic)`,
    )
    await this.#leadersAreThere(topic)
  }

  /** kafkajs' own wait fails when the broker that it asks does not know the new topic yet. */
  async #leadersAreThere(topic: string): Promise<void> {
    const endsAtMs = performance.now() + LEADERS_WAIT_MS_MAX
    while (performance.now() < endsAtMs) {
      const partitions = await this.layout(topic)
      if (partitions.length > 0 && partitions.every(({ leader }) => leader >= 0)) return
      await delay(LEADERS_POLL_MS)
    }
    const message = `topic ${topic} was created, but it has no leaders yet, or this relay lacks the right Describe on it`
    throw new RelayFault('LR_UNAVAILABLE', message)
  }

  async close(): Promise<void> {
    const open = [this.#admin, this.#cluster]
    this.#admin = undefined
    this.#cluster = undefined
    const closing = open.map((connection) => connection?.then((it) => it.disconnect()))
    await settledWithin(Promise.allSettled(closing), CLOSE_MS_MAX)
  }

  /**
   * Sends a request on the one admin connection, which is reopened after a failure. Throws `LR_REFUSED` when Kafka rejects
   * the connection or denies the rights. The fault names the rights as Kafka does.
   */
  async ask<T>(request: (admin: Admin) => Promise<T>, rights = 'Describe on the cluster'): Promise<T> {
    this.#admin ??= this.#connect()
    try {
      return await request(await this.#admin)
    } catch (error) {
      await this.close()
      throw explainRefusal(error, rights)
    }
  }

  /** As `ask`, for requests that kafkajs' admin client lacks. */
  async askCluster<T>(request: (cluster: Cluster) => Promise<T>, rights: string): Promise<T> {
    this.#cluster ??= this.#connectCluster()
    try {
      return await request(await this.#cluster)
    } catch (error) {
      await this.close()
      throw explainRefusal(error, rights)
    }
  }

  async #connectCluster(): Promise<Cluster> {
    const cluster = createCluster(this.#kafka)
    await cluster.connect()
    return cluster
  }

  async #connect(): Promise<Admin> {
    const admin = this.#kafka.admin()
    await admin.connect()
    return admin
  }
}

function missing(topic: string, reached: ReachedKafka | undefined) {
  return (error: unknown): never => {
    if (protocolType(error) === 'UNKNOWN_TOPIC_OR_PARTITION') {
      const remedy = `create it with a partition for each replica that you may run: ${createTopicCommand(topic, reached)}`
      throw new RelayFault('LR_TOPIC_MISSING', `topic ${topic} does not exist; ${remedy}`, { cause: error })
    }
    throw error
  }
}
