import { setTimeout as delay } from 'node:timers/promises'
import type { Admin, CompressionTypes, Consumer, Kafka, Message, Producer, Transaction } from 'kafkajs'
import { createKafkaClient } from '../../src/kafka/kafka-client.ts'
import { kafkajs } from '../../src/kafka/kafkajs/kafkajs.ts'
import { registerCompressions } from './compressing-codecs.ts'
import { PATIENCE_MS } from './patience.ts'
import { rulesAgainst } from './topic-rules.ts'
import { WatchedList } from './watched-list.ts'

/** A record as a test reads it back: headers as text, the value also as JSON where it is some. */
export interface TopicRecord {
  readonly partition: number
  readonly offset: number
  readonly key: string | null
  readonly value: Buffer | null
  readonly headers: Readonly<Record<string, string>>
  readonly data: Readonly<Record<string, unknown>>
}

export interface TopicOptions {
  readonly partitions?: number
  readonly config?: Readonly<Record<string, string>>
}

registerCompressions()

const OUTCOME_TYPES = new Set(['backchannel-logout-sent', 'backchannel-logout-failed'])
const MESSAGES_PER_REQUEST = 1_000
const LEADERS_MS_MAX = 15_000

/** A topic from the outside: a test writes to it, and follows what is on it from its beginning. */
export class TopicLog {
  readonly name: string
  readonly #kafka: Kafka
  readonly #admin: Admin
  readonly #producer: Producer
  readonly #consumer: Consumer
  readonly #records = new WatchedList<TopicRecord>()

  /** Creates the topic and follows it. */
  static async create(kafkaBrokers: string, name: string, options: TopicOptions = {}): Promise<TopicLog> {
    const topic = new TopicLog(kafkaBrokers, name)
    await topic.#open(options)
    return topic
  }

  /** Follows a topic that somebody else created. */
  static async follow(kafkaBrokers: string, name: string): Promise<TopicLog> {
    const topic = new TopicLog(kafkaBrokers, name)
    await topic.#open(undefined)
    return topic
  }

  private constructor(kafkaBrokers: string, name: string) {
    const kafka = createKafkaClient(kafkaBrokers.split(','), 'test', () => undefined)
    this.name = name
    this.#kafka = kafka
    this.#admin = kafka.admin()
    this.#producer = kafka.producer()
    this.#consumer = kafka.consumer({ groupId: `${name}.follower`, maxWaitTimeInMs: 100 })
  }

  /** Everything read so far. */
  get records(): readonly TopicRecord[] {
    return this.#records.items
  }

  get outcomes(): readonly TopicRecord[] {
    return this.records.filter(isOutcome)
  }

  /** Resolves when all are acknowledged, in order within a key. */
  async publish(...messages: readonly Message[]): Promise<void> {
    for (let start = 0; start < messages.length; start += MESSAGES_PER_REQUEST) {
      await this.#producer.send({
        topic: this.name,
        messages: messages.slice(start, start + MESSAGES_PER_REQUEST),
      })
    }
  }

  /** Compressed as one batch. */
  async publishCompressed(compression: CompressionTypes, messages: readonly Message[]): Promise<void> {
    await this.#producer.send({ compression, topic: this.name, messages: [...messages] })
  }

  /** Writes records that no reader of committed records sees, and the control records around them. */
  publishAborted(...messages: readonly Message[]): Promise<void> {
    return this.#inTransaction({ messages }, (transaction) => transaction.abort())
  }

  publishCommitted(...messages: readonly Message[]): Promise<void> {
    return this.#inTransaction({ messages }, (transaction) => transaction.commit())
  }

  /** First as an aborted transaction, then as a committed one, each compressed as one batch. */
  async publishBothCompressed(compression: CompressionTypes, ...messages: readonly Message[]): Promise<void> {
    await this.#inTransaction({ compression, messages }, (transaction) => transaction.abort())
    await this.#inTransaction({ compression, messages }, (transaction) => transaction.commit())
  }

  /** Hides what it writes, and what is written behind it, from readers of committed records; returns what ends it. */
  async leaveOpen(...messages: readonly Message[]): Promise<(how?: 'commit' | 'abort') => Promise<void>> {
    const producer = this.#kafka.producer({
      transactionalId: `${this.name}.open`,
      // Open for as long as the test needs, however slow the machine is.
      transactionTimeout: 600_000,
      idempotent: true,
      maxInFlightRequests: 1,
    })
    await producer.connect()
    const transaction = await producer.transaction()
    await transaction.send({ topic: this.name, messages: [...messages] })
    return async (how = 'commit') => {
      await transaction[how]()
      await producer.disconnect()
    }
  }

  /** As retention would: what is before the offset is gone. */
  async deleteBefore(partition: number, offset: number): Promise<void> {
    await this.#admin.deleteTopicRecords({
      topic: this.name,
      partitions: [{ partition, offset: String(offset) }],
    })
  }

  async #inTransaction(
    what: { compression?: CompressionTypes; messages: readonly Message[] },
    end: (transaction: Transaction) => Promise<void>,
  ): Promise<void> {
    const transactionalId = this.name
    const producer = this.#kafka.producer({ transactionalId, idempotent: true, maxInFlightRequests: 1 })
    await producer.connect()
    try {
      const transaction = await producer.transaction()
      await transaction.send({ topic: this.name, ...what, messages: [...what.messages] })
      await end(transaction)
    } finally {
      await producer.disconnect()
    }
  }

  /** By a producer that does not know the topic from before: partitions may have been added. */
  async publishFresh(...messages: readonly Message[]): Promise<void> {
    const producer = this.#kafka.producer()
    await producer.connect()
    try {
      await producer.send({ topic: this.name, messages: [...messages] })
    } finally {
      await producer.disconnect()
    }
  }

  /** Tells of each record that is read from now on. */
  watch(onRead: (record: TopicRecord) => void): void {
    this.#records.watch(onRead)
  }

  waitFor(matches: (record: TopicRecord) => boolean, timeoutMs = PATIENCE_MS): Promise<TopicRecord> {
    const late = () => new Error(`no such record on ${this.name} after ${timeoutMs} ms`)
    return this.#records.waitFor(matches, timeoutMs, late)
  }

  /** The first outcome of a client, of one session where that is given. */
  waitForOutcome(clientId: string, sessionId?: string, timeoutMs?: number): Promise<TopicRecord> {
    const matches = (record: TopicRecord) =>
      isOutcome(record) &&
      record.data.clientId === clientId &&
      (sessionId === undefined || record.data.sessionId === sessionId)
    return this.waitFor(matches, timeoutMs)
  }

  /** Resolves when everything that is on the topic now has been read. */
  async caughtUp(timeoutMs = PATIENCE_MS): Promise<void> {
    for (const [partition, end] of await this.endOffsets()) {
      if (end > 0) await this.waitFor((it) => it.partition === partition && it.offset >= end - 1, timeoutMs)
    }
  }

  /** By partition. */
  async endOffsets(): Promise<Map<number, number>> {
    const offsets = await this.#admin.fetchTopicOffsets(this.name)
    return new Map(offsets.map(({ partition, high }) => [partition, Number(high)]))
  }

  /** By partition; -1 where the group has committed nothing. */
  async committed(groupId: string): Promise<Map<number, number>> {
    const [found] = await this.#admin.fetchOffsets({ groupId, topics: [this.name] })
    return new Map((found?.partitions ?? []).map(({ partition, offset }) => [partition, Number(offset)]))
  }

  /** What the group's commits say beside the offset. */
  async commitNotes(groupId: string): Promise<(string | null)[]> {
    const [found] = await this.#admin.fetchOffsets({ groupId, topics: [this.name] })
    return found?.partitions.map(({ metadata }) => metadata) ?? []
  }

  /** Records that the group has not committed yet. */
  async lag(groupId: string): Promise<number> {
    // In that order, or what is written and committed between the two would make up for what is not.
    const committed = await this.committed(groupId)
    const ends = await this.endOffsets()
    return [...ends].reduce(
      (lag, [partition, end]) => lag + end - Math.max(committed.get(partition) ?? 0, 0),
      0,
    )
  }

  /** Sends an empty group back to the beginning of the topic. As a member: the admin call takes five seconds. */
  async rewind(groupId: string): Promise<void> {
    const member = this.#kafka.consumer({ groupId, maxWaitTimeInMs: 100 })
    await member.connect()
    await member.subscribe({ topic: this.name })
    const joined = new Promise<void>((resolve) => member.on(member.events.GROUP_JOIN, () => resolve()))
    await member.run({ autoCommit: false, eachBatch: async () => undefined })
    await joined
    const partitions = [...(await this.endOffsets()).keys()]
    await member.commitOffsets(partitions.map((partition) => ({ topic: this.name, partition, offset: '0' })))
    await member.disconnect()
  }

  async groupsNamed(name: string): Promise<string[]> {
    const { groups } = await this.#admin.listGroups()
    return groups.map(({ groupId }) => groupId).filter((groupId) => groupId === name)
  }

  async addPartitions(count: number): Promise<void> {
    await this.#admin.createPartitions({ topicPartitions: [{ topic: this.name, count }] })
  }

  /** Nobody may read its settings any more; everything else stays allowed. */
  async denySettings(): Promise<void> {
    await this.#admin.createAcls({ acl: rulesAgainst(this.name, 'DESCRIBE_CONFIGS') })
  }

  /** Nobody may write to it until `allowWriting`. */
  async forbidWriting(): Promise<void> {
    await this.#admin.createAcls({ acl: rulesAgainst(this.name, 'WRITE') })
  }

  async allowWriting(): Promise<void> {
    await this.#admin.deleteAcls({ filters: rulesAgainst(this.name, 'WRITE') })
  }

  /** Larger batches of records are refused. */
  async takeBatches(bytesMax: number): Promise<void> {
    const configEntries = [{ name: 'max.message.bytes', value: String(bytesMax) }]
    const type = kafkajs.ConfigResourceTypes.TOPIC
    await this.#admin.alterConfigs({
      validateOnly: false,
      resources: [{ type, name: this.name, configEntries }],
    })
  }

  /** Deletes the topic and creates it again under its name; what follows it reads the new one as a new topic. */
  async recreate(options: TopicOptions = {}): Promise<void> {
    await this.#admin.deleteTopics({ topics: [this.name] })
    const endsAtMs = performance.now() + LEADERS_MS_MAX
    while ((await this.#admin.listTopics()).includes(this.name) && performance.now() < endsAtMs)
      await delay(20)
    await this.#createTopic(options)
  }

  /** As the broker does by itself when a group has had no members for a week. */
  async deleteGroup(groupId: string): Promise<void> {
    await this.#admin.deleteGroups([groupId])
  }

  async deleteTopic(name: string): Promise<void> {
    await this.#admin.deleteTopics({ topics: [name] })
  }

  /** Ends everything and removes this topic, those named after it, and the groups. */
  async remove(...groupIds: readonly string[]): Promise<void> {
    await this.close()
    await this.#admin.connect()
    const topics = (await this.#admin.listTopics()).filter((name) => name.startsWith(this.name))
    await this.#admin.deleteTopics({ topics })
    await this.#admin.deleteGroups([`${this.name}.follower`, ...groupIds]).catch(() => undefined)
    await this.#admin.disconnect()
  }

  async close(): Promise<void> {
    await Promise.all([this.#consumer.disconnect(), this.#producer.disconnect(), this.#admin.disconnect()])
  }

  /**
   * A new partition has a leader in the metadata a moment before the broker acts as one; asked for its offsets, the
   * broker tells. kafkajs' own wait looks at the metadata alone.
   */
  async #leadersAreThere(partitions: number): Promise<void> {
    const endsAtMs = performance.now() + LEADERS_MS_MAX
    let failure: unknown
    while (performance.now() < endsAtMs) {
      try {
        const offsets = await this.#admin.fetchTopicOffsets(this.name)
        if (offsets.length === partitions) return
      } catch (error) {
        failure = error
      }
      await delay(20)
    }
    throw new Error(`topic ${this.name} has no leaders`, { cause: failure })
  }

  async #createTopic({ config = {}, partitions = 3 }: TopicOptions): Promise<void> {
    const configEntries = Object.entries(config).map(([name, value]) => ({ name, value }))
    const topics = [{ topic: this.name, numPartitions: partitions, replicationFactor: 1, configEntries }]
    await this.#admin.createTopics({ topics, waitForLeaders: false })
    await this.#leadersAreThere(partitions)
  }

  async #open(toCreate: TopicOptions | undefined): Promise<void> {
    await this.#admin.connect()
    if (toCreate !== undefined) await this.#createTopic(toCreate)
    await Promise.all([this.#producer.connect(), this.#consumer.connect()])
    await this.#consumer.subscribe({ topic: this.name, fromBeginning: true })
    await this.#consumer.run({
      autoCommit: false,
      eachMessage: async ({ partition, message: { offset, key, value, headers } }) => {
        const texts = Object.entries(headers ?? {}).map(([name, content]) => [name, String(content)])
        this.#records.add({
          partition,
          value,
          offset: Number(offset),
          key: key === null ? null : key.toString(),
          headers: Object.fromEntries(texts) as Record<string, string>,
          data: parse(value),
        })
      },
    })
  }
}

export function isOutcome({ headers }: TopicRecord): boolean {
  return OUTCOME_TYPES.has(headers.ce_type ?? '')
}

function parse(value: Buffer | null): Record<string, unknown> {
  try {
    const json: unknown = JSON.parse(String(value))
    if (typeof json === 'object' && json !== null) return json as Record<string, unknown>
  } catch {
    // No JSON.
  }
  return {}
}
