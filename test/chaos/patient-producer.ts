import { setTimeout as delay } from 'node:timers/promises'
import { crc32 } from 'node:zlib'
import type { Kafka, Message, Producer } from 'kafkajs'

const BATCH_BYTES_MAX = 600_000
const BATCH_RECORDS_MAX = 1_000
const RETRY_MS = 100
/** Longer than any fault; what is refused even then is refused for good. */
const PATIENCE_MS = 120_000
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

  /** The records of one key go to one partition, in order, unless they name another one. */
  async publish(records: readonly Message[]): Promise<void> {
    const byPartition = new Map<number, Message[]>()
    for (const record of records) {
      const partition = record.partition ?? crc32(record.key ?? '') % this.#partitions
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
    let batch: Message[] = []
    let bytes = 0
    for (const message of messages) {
      const size = sizeOf(message)
      if (batch.length === BATCH_RECORDS_MAX || (batch.length > 0 && bytes + size > BATCH_BYTES_MAX)) {
        await this.#send(batch)
        batch = []
        bytes = 0
      }
      batch.push(message)
      bytes += size
    }
    if (batch.length > 0) await this.#send(batch)
  }

  async #send(messages: Message[]): Promise<void> {
    const givesUpMs = performance.now() + PATIENCE_MS
    for (;;) {
      let current: Promise<Producer> | undefined
      try {
        this.#producer ??= this.#connect()
        current = this.#producer
        const producer = await current
        await producer.send({ topic: this.#topic, acks: ACKNOWLEDGED_BY_ALL, timeout: 5_000, messages })
        return
      } catch (error) {
        if (performance.now() > givesUpMs) throw error
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

/** About what it takes in a request. */
function sizeOf({ key, value, headers }: Message): number {
  let bytes = lengthOf(key) + lengthOf(value)
  for (const [name, content] of Object.entries(headers ?? {})) bytes += name.length + lengthOf(content)
  return bytes
}

function lengthOf(content: Message['value'] | string[] | (string | Buffer)[] | undefined): number {
  if (content === null || content === undefined) return 0
  if (Array.isArray(content)) return content.reduce((sum, part) => sum + Buffer.byteLength(part), 0)
  return Buffer.byteLength(content)
}
