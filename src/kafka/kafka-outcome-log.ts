import type { Kafka, Message, PartitionMetadata, Producer } from 'kafkajs'
import type { OutcomeLog, OutgoingRecord } from '../delivery/outcome-log.ts'
import { settledWithin } from '../lib/deferred.ts'
import { codeOf, RelayFault } from '../lib/errors.ts'
import { protocolType } from './client-words.ts'
import { explainRefusal } from './kafka-refusal.ts'
import type { KafkaTopics } from './kafka-topics.ts'
import { kafkajs } from './kafkajs/kafkajs.ts'
import { partitionOfKey } from './key-partition.ts'

const SEND_TIMEOUT_MS = 5_000
const ALL_IN_SYNC_REPLICAS = -1
const TOO_LARGE = new Set(['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE'])

/**
 * A kafkajs producer with verified acknowledgements. kafkajs resolves a request over several partitions even if leadership
 * moved and a part was never sent, so this compares the partitions that answered with those in the request. kafkajs' own
 * retries have the same fault, so the caller retries. A failed producer is replaced, because some failures persist in it.
 */
export class KafkaOutcomeLog implements OutcomeLog {
  readonly #kafka: Kafka
  readonly #topics: KafkaTopics
  #producer: Promise<Producer> | undefined
  #next = 0

  constructor(kafka: Kafka, topics: KafkaTopics) {
    this.#kafka = kafka
    this.#topics = topics
  }

  async append(records: readonly OutgoingRecord[]): Promise<void> {
    if (records.length === 0) return
    try {
      this.#producer ??= this.#connect()
      const producer = await this.#producer
      await this.#send(producer, records)
    } catch (error) {
      const type = protocolType(error) ?? codeOf(error)
      // A regular answer. The producer remains usable.
      if (type !== undefined && TOO_LARGE.has(type)) {
        throw new RelayFault('LR_RECORD_TOO_LARGE', 'the topic refuses records of this size', {
          cause: error,
        })
      }
      // Said before anything was sent. One topic that is missing costs the others no new connection.
      if (codeOf(error) === 'LR_TOPIC_MISSING') throw error
      await this.#discard()
      throw explainRefusal(
        error,
        `Write on topic ${[...new Set(records.map(({ topic }) => topic))].join(', ')}`,
      )
    }
  }

  async close(): Promise<void> {
    await this.#discard()
  }

  async #connect(): Promise<Producer> {
    const producer = this.#kafka.producer({
      idempotent: false,
      allowAutoTopicCreation: false,
      createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
      retry: { retries: 0 },
    })
    await producer.connect()
    return producer
  }

  async #send(producer: Producer, records: readonly OutgoingRecord[]): Promise<void> {
    const topics = new Map<string, Message[]>()
    const asked = new Set<string>()
    const metadata = new Map<string, PartitionMetadata[]>()
    for (const { topic } of records) {
      if (!metadata.has(topic)) metadata.set(topic, await this.#topics.partitions(topic))
    }
    for (const record of records) {
      const partition = this.#partitionOf(record, metadata.get(record.topic) ?? [])
      asked.add(`${record.topic}/${partition}`)
      const { key, value, headers, timestampMs } = record
      const message: Message = { key, value, headers, partition }
      if (timestampMs !== undefined) message.timestamp = String(timestampMs)
      const messages = topics.get(record.topic)
      if (messages === undefined) topics.set(record.topic, [message])
      else messages.push(message)
    }
    const answered = await producer.sendBatch({
      acks: ALL_IN_SYNC_REPLICAS,
      timeout: SEND_TIMEOUT_MS,
      topicMessages: [...topics].map(([topic, messages]) => ({ topic, messages })),
    })
    for (const { topicName, partition } of answered) asked.delete(`${topicName}/${partition}`)
    if (asked.size === 0) return
    throw new RelayFault('LR_PUBLISH_INCOMPLETE', `no acknowledgement for ${[...asked].join(', ')}`)
  }

  /** Chosen here and not in kafkajs, so that the expected partitions are known. */
  #partitionOf({ partition, key }: OutgoingRecord, partitionMetadata: PartitionMetadata[]): number {
    if (partition !== undefined) return partition
    if (key === null) return partitionMetadata[this.#next++ % partitionMetadata.length]?.partitionId ?? 0
    return partitionOfKey(key, partitionMetadata.length)
  }

  async #discard(): Promise<void> {
    const old = this.#producer
    this.#producer = undefined
    this.#topics.forget()
    if (old === undefined) return
    await settledWithin(
      old.then((producer) => producer.disconnect()),
      1_000,
    )
  }
}
