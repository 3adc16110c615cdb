import { setTimeout as delay } from 'node:timers/promises'
import { crc32 } from 'node:zlib'
import type { Kafka, Message, Producer } from 'kafkajs'

const BATCH_BYTES_MAX = 600_000
const BATCH_RECORDS_MAX = 1_000
const RETRY_MS = 100
const ACKNOWLEDGED_BY_ALL = -1

/**
 * Writes until everything is acknowledged, through any fault of the brokers. One partition per request, because
 * kafkajs may acknowledge what it never wrote when a request spans several; a producer that has failed is replaced,
 * because some failures stay with it. A record may be on the topic twice after a fault, like anybody's records.
 */
export class PatientProducer {
  readonly #kafka: Kafka
  readonly #topic: string
  readonly #partitions: number
  #producer: Promise<Producer> | undefined

  constructor(kafka: Kafka, topic: string, partitions: number) {
    this.#kafka = kafka
    this.#topic = topic
    this.#partitions = partitions
  }

  /** The records of one key go to one partition, in order. */
  async publish(records: readonly Message[]): Promise<void> {
    const byPartition = new Map<number, Message[]>()
    for (const record of records) {
      const partition = crc32(record.key ?? '') % this.#partitions
      const messages = byPartition.get(partition) ?? []
      byPartition.set(partition, messages)
      messages.push({ ...record, partition })
    }
    await Promise.all([...byPartition.values()].map(async (messages) => this.#write(messages)))
  }

  async close(): Promise<void> {
    const producer = this.#producer
    this.#producer = undefined
    await producer?.then((it) => it.disconnect()).catch(() => undefined)
  }

  async #write(messages: readonly Message[]): Promise<void> {
    for (let start = 0; start < messages.length; ) {
      let end = start
      let bytes = 0
      while (end < messages.length && end - start < BATCH_RECORDS_MAX && bytes < BATCH_BYTES_MAX) {
        bytes += messages[end++]?.value?.length ?? 0
      }
      await this.#send(messages.slice(start, end))
      start = end
    }
  }

  async #send(messages: Message[]): Promise<void> {
    for (;;) {
      let current: Promise<Producer> | undefined
      try {
        this.#producer ??= this.#connect()
        current = this.#producer
        const producer = await current
        await producer.send({ topic: this.#topic, acks: ACKNOWLEDGED_BY_ALL, timeout: 5_000, messages })
        return
      } catch {
        // Another partition's request may have replaced it already.
        if (this.#producer === current) this.#producer = undefined
        void current?.then((it) => it.disconnect()).catch(() => undefined)
        await delay(RETRY_MS)
      }
    }
  }

  async #connect(): Promise<Producer> {
    const producer = this.#kafka.producer({ allowAutoTopicCreation: false, retry: { retries: 0 } })
    await producer.connect()
    return producer
  }
}
