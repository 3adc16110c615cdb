import { setTimeout as delay } from 'node:timers/promises'
import type { Admin, Kafka, Message } from 'kafkajs'
import { createKafkaClient } from '../../src/kafka/kafka-client.ts'
import { rulesAgainst } from '../support/topic-rules.ts'
import { PatientProducer } from './patient-producer.ts'
import { holdsWithin } from './poll.ts'

export interface ChaosRecord {
  readonly partition: number
  readonly offset: number
  readonly value: Buffer | null
  readonly headers: Readonly<Record<string, unknown>>
}

export interface OpenTransaction {
  end(how: 'abort' | 'commit'): Promise<void>
}

const LEADERS_MS_MAX = 30_000
const READ_MS_MAX = 180_000

/** The driver's own view of Kafka: it makes topics, fills them, and reads back what the relays have written. */
export class ChaosLog implements AsyncDisposable {
  readonly #kafka: Kafka
  readonly #admin: Admin
  readonly #producers = new Map<string, PatientProducer>()
  readonly #topics: string[] = []
  readonly #replication: number
  #transactions = 0

  static async open(brokers: string, replication: number): Promise<ChaosLog> {
    const log = new ChaosLog(brokers, replication)
    await log.#admin.connect()
    return log
  }

  private constructor(brokers: string, replication: number) {
    this.#kafka = createKafkaClient(brokers.split(','), 'chaos', () => undefined)
    this.#admin = this.#kafka.admin()
    this.#replication = replication
  }

  async createTopic(topic: string, partitions: number): Promise<void> {
    const topics = [{ topic, numPartitions: partitions, replicationFactor: this.#replication }]
    await this.#admin.createTopics({ topics, waitForLeaders: false })
    this.#topics.push(topic)
    // The metadata names a leader a moment before that broker acts as one; asked for offsets, it tells.
    const isThere = async () => (await this.endOffsets(topic)).size === partitions
    if (!(await holdsWithin(isThere, LEADERS_MS_MAX, 20))) throw new Error(`${topic} has no leaders`)
  }

  /** Resolves when every record is acknowledged, however long that takes. */
  async publish(topic: string, records: readonly Message[]): Promise<void> {
    let producer = this.#producers.get(topic)
    if (producer === undefined) {
      producer = new PatientProducer(this.#kafka, topic, (await this.endOffsets(topic)).size)
      this.#producers.set(topic, producer)
    }
    await producer.publish(records)
  }

  /** So many per second, also when the log was away meanwhile: then it catches up. */
  async publishAtRate(topic: string, records: readonly Message[], perSecond: number): Promise<void> {
    const startedMs = performance.now()
    for (let sent = 0; sent < records.length; ) {
      const due = Math.ceil(((performance.now() - startedMs) / 1_000) * perSecond)
      if (due > sent) await this.publish(topic, records.slice(sent, due))
      sent = Math.max(Math.min(due, records.length), sent)
      await delay(20)
    }
  }

  async endOffsets(topic: string): Promise<Map<number, number>> {
    const offsets = await this.#admin.fetchTopicOffsets(topic)
    return new Map(offsets.map(({ partition, high }) => [partition, Number(high)]))
  }

  /** Records that the group has not committed yet. */
  async lag(topic: string, groupId: string): Promise<number> {
    const [committed] = await this.#admin.fetchOffsets({ groupId, topics: [topic] })
    const offsets = new Map((committed?.partitions ?? []).map((it) => [it.partition, Number(it.offset)]))
    let lag = 0
    for (const [partition, end] of await this.endOffsets(topic)) {
      lag += end - Math.max(offsets.get(partition) ?? 0, 0)
    }
    return lag
  }

  /** Records that no reader of committed records ever sees, and the control records around them. */
  async publishAborted(topic: string, records: readonly Message[]): Promise<void> {
    const transaction = await this.openTransaction(topic, records)
    await transaction.end('abort')
  }

  /** Writes them in a transaction of somebody else's, which stays open until it is ended. */
  async openTransaction(topic: string, records: readonly Message[]): Promise<OpenTransaction> {
    const transactionalId = `${topic}.${++this.#transactions}`
    const producer = this.#kafka.producer({ transactionalId, idempotent: true, maxInFlightRequests: 1 })
    await producer.connect()
    const transaction = await producer.transaction()
    await transaction.send({ topic, messages: [...records] })
    return {
      end: async (how) => {
        await transaction[how]()
        await producer.disconnect()
      },
    }
  }

  /** As the broker does it when nobody has been a member for days. Only for a group without members. */
  async forgetOffsets(groupId: string): Promise<void> {
    await this.#admin.deleteGroups([groupId])
  }

  /** As retention does it: what is there now is gone, and the offsets go on. */
  async trim(topic: string): Promise<void> {
    const partitions = [...(await this.endOffsets(topic))].map(([partition, end]) => ({
      partition,
      offset: String(end),
    }))
    await this.#admin.deleteTopicRecords({ topic, partitions })
  }

  /** The same name, and nothing of what it held. */
  async recreateTopic(topic: string, partitions: number): Promise<void> {
    await this.#producers.get(topic)?.close()
    this.#producers.delete(topic)
    await this.#admin.deleteTopics({ topics: [topic] })
    const isGone = async () => !(await this.#admin.listTopics()).includes(topic)
    if (!(await holdsWithin(isGone, LEADERS_MS_MAX, 20))) throw new Error(`${topic} was not deleted`)
    await this.createTopic(topic, partitions)
  }

  async addPartitions(topic: string, count: number): Promise<void> {
    await this.#admin.createPartitions({ topicPartitions: [{ topic, count }] })
    const isThere = async () => (await this.endOffsets(topic)).size === count
    if (!(await holdsWithin(isThere, LEADERS_MS_MAX, 20))) throw new Error(`${topic} did not grow`)
    // One that knows the old partitions only would not write to the new ones.
    await this.#producers.get(topic)?.close()
    this.#producers.delete(topic)
  }

  /** Every write to the topic is refused from now on, for everybody. */
  async forbidWriting(topic: string): Promise<void> {
    await this.#admin.createAcls({ acl: rulesAgainst(topic, 'WRITE') })
  }

  async allowWriting(topic: string): Promise<void> {
    await this.#admin.deleteAcls({ filters: rulesAgainst(topic, 'WRITE') })
  }

  /** Node id of the broker that leads the partition. */
  async leaderOf(topic: string, partition: number): Promise<number> {
    const metadata = await this.#admin.fetchTopicMetadata({ topics: [topic] })
    const found = metadata.topics[0]?.partitions.find(({ partitionId }) => partitionId === partition)
    if (found === undefined) throw new Error(`no partition ${partition} of ${topic}`)
    return found.leader
  }

  /** Every replica of the topic is in sync again, so that the next broker may be lost without losing data. */
  async isFullyReplicated(topic: string): Promise<boolean> {
    const { topics } = await this.#admin.fetchTopicMetadata({ topics: [topic] })
    return (topics[0]?.partitions ?? []).every(({ isr, leader }) => {
      return leader > 0 && isr.length === this.#replication
    })
  }

  /** Reads everything up to the present end, by a group of its own. */
  async readAll(topic: string, take: (record: ChaosRecord) => void): Promise<void> {
    if (!(await this.#admin.listTopics()).includes(topic)) return
    const unread = new Map([...(await this.endOffsets(topic))].filter(([, end]) => end > 0))
    const groupId = `${topic}.reader`
    const consumer = this.#kafka.consumer({ groupId, maxWaitTimeInMs: 100 })
    await consumer.connect()
    try {
      await consumer.subscribe({ topic, fromBeginning: true })
      await consumer.run({
        autoCommit: false,
        eachBatch: async ({ batch }) => {
          const end = unread.get(batch.partition) ?? 0
          for (const { offset, value, headers } of batch.messages) {
            if (Number(offset) >= end) continue
            take({ partition: batch.partition, offset: Number(offset), value, headers: headers ?? {} })
          }
          if (Number(batch.lastOffset()) + 1 >= end) unread.delete(batch.partition)
        },
      })
      const isRead = await holdsWithin(() => unread.size === 0, READ_MS_MAX, 20)
      if (!isRead) throw new Error(`${topic} could not be read to its end`)
    } finally {
      await consumer.disconnect()
    }
  }

  /** Closes everything, and removes the topics with those that the relays made beside them. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#producers.values()].map((producer) => producer.close()))
    const names = await this.#admin.listTopics().catch(() => [])
    const topics = names.filter((name) => this.#topics.some((mine) => name.startsWith(mine)))
    if (topics.length > 0) await this.#admin.deleteTopics({ topics }).catch(() => undefined)
    await this.#admin.disconnect()
  }
}
