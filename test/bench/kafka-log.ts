import { type Admin, Kafka, logLevel, type Message, type Producer } from 'kafkajs'
import { pollUntil } from './poll.ts'

const PARTITIONS = 6
const MESSAGES_PER_REQUEST = 1_000
const OFFSET_POLL_MS = 50
const READ_TIMEOUT_MS = 120_000
const CREATE_TIMEOUT_MS = 30_000

export interface OutcomeRecord {
  readonly id: string
  readonly type: string
}

/** The bench's own view of Kafka: it fills topics, watches offsets, and reads outcomes back after a measurement. */
export class KafkaLog {
  readonly #kafka: Kafka
  readonly #admin: Admin
  readonly #producer: Producer

  constructor(brokers: string) {
    this.#kafka = new Kafka({ clientId: 'bench', brokers: brokers.split(','), logLevel: logLevel.NOTHING })
    this.#admin = this.#kafka.admin()
    this.#producer = this.#kafka.producer()
  }

  async connect(): Promise<void> {
    await this.#admin.connect()
    await this.#producer.connect()
  }

  async disconnect(): Promise<void> {
    await this.#producer.disconnect()
    await this.#admin.disconnect()
  }

  /** Resolves when every partition answers: a busy broker names a leader before that one knows that it leads. */
  async createTopic(topic: string): Promise<void> {
    const topics = [{ topic, numPartitions: PARTITIONS, replicationFactor: 1 }]
    await this.#admin.createTopics({ topics, waitForLeaders: false })
    const look = async () => {
      if (!(await this.#admin.listTopics()).includes(topic)) return false
      return (await this.endOffsets(topic)).size === PARTITIONS
    }
    await pollUntil(() => look().catch(() => false), OFFSET_POLL_MS, CREATE_TIMEOUT_MS, `the topic ${topic}`)
  }

  /** What a run leaves behind on a broker that outlives the bench. What cannot be removed is named, no more. */
  async remove(topic: string, groupId: string): Promise<void> {
    const created = (await this.#admin.listTopics()).filter((name) => name.startsWith(topic))
    await this.#admin.deleteTopics({ topics: created }).catch((error: Error) => {
      process.stderr.write(`left behind: the topics ${created.join(', ')} (${error.message})\n`)
    })
    // The bare loop has no group.
    await this.#admin.deleteGroups([groupId]).catch(() => {})
  }

  /** Resolves when the topic holds exactly these records more, and throws otherwise: nobody else may be writing. */
  async produce(topic: string, messages: readonly Message[]): Promise<void> {
    const before = await this.recordCount(topic)
    for (let start = 0; start < messages.length; start += MESSAGES_PER_REQUEST) {
      await this.#producer.send({ topic, messages: messages.slice(start, start + MESSAGES_PER_REQUEST) })
    }
    const written = (await this.recordCount(topic)) - before
    if (written !== messages.length) throw new Error(`${written} records instead of ${messages.length}`)
  }

  /** Several records, unchecked: others may be writing. */
  async produceSome(topic: string, messages: readonly Message[]): Promise<void> {
    await this.#producer.send({ topic, messages: [...messages] })
  }

  /** One record, unchecked, as soon as possible. */
  async produceOne(topic: string, message: Message): Promise<void> {
    await this.#producer.send({ topic, messages: [message] })
  }

  /** Records on the topic: nothing is compacted or deleted during a run. */
  async recordCount(topic: string): Promise<number> {
    return sum(await this.endOffsets(topic))
  }

  async endOffsets(topic: string): Promise<Map<number, number>> {
    const offsets = await this.#admin.fetchTopicOffsets(topic)
    return new Map(offsets.map(({ partition, high }) => [partition, Number(high)]))
  }

  async waitForRecordCount(topic: string, count: number, timeoutMs: number): Promise<void> {
    let seen = 0
    const look = async () => {
      seen = await this.recordCount(topic)
      return seen >= count
    }
    await pollUntil(look, OFFSET_POLL_MS, timeoutMs, `${count} records`).catch((error: Error) => {
      throw new Error(`${error.message}: there are ${seen}`)
    })
  }

  /** Waits until the group has committed up to these offsets in every partition. */
  async waitForCommitted(
    topic: string,
    groupId: string,
    upTo: Map<number, number>,
    timeoutMs: number,
  ): Promise<void> {
    const look = async () => {
      const [committed] = await this.#admin.fetchOffsets({ groupId, topics: [topic] })
      return (committed?.partitions ?? []).every(
        ({ partition, offset }) => Number(offset) >= (upTo.get(partition) ?? 0),
      )
    }
    await pollUntil(look, OFFSET_POLL_MS, timeoutMs, 'the commits')
  }

  /** Says for a group without members that it has consumed everything before these offsets. */
  async commit(topic: string, groupId: string, upTo: Map<number, number>): Promise<void> {
    const partitions = Array.from(upTo, ([partition, offset]) => ({ partition, offset: String(offset) }))
    await this.#admin.setOffsets({ groupId, topic, partitions })
  }

  /** Every outcome on the topic, up to its present end, read by a group of its own. */
  async readOutcomes(topic: string): Promise<OutcomeRecord[]> {
    const ends = await this.endOffsets(topic)
    const groupId = `${topic}-reader`
    const consumer = this.#kafka.consumer({ groupId, maxWaitTimeInMs: 100 })
    const outcomes: OutcomeRecord[] = []
    const unread = new Map([...ends].filter(([, end]) => end > 0))
    await consumer.connect()
    try {
      await consumer.subscribe({ topic, fromBeginning: true })
      await consumer.run({
        autoCommit: false,
        eachBatch: async ({ batch }) => {
          for (const { headers } of batch.messages) {
            const type = String(headers?.ce_type)
            if (type.startsWith('backchannel-logout-')) outcomes.push({ id: String(headers?.ce_id), type })
          }
          if (Number(batch.lastOffset()) + 1 >= (unread.get(batch.partition) ?? 0))
            unread.delete(batch.partition)
        },
      })
      await pollUntil(() => unread.size === 0, OFFSET_POLL_MS, READ_TIMEOUT_MS, 'the outcomes to be read')
    } finally {
      await consumer.disconnect()
      await this.#admin.deleteGroups([groupId]).catch(() => {})
    }
    return outcomes
  }
}

function sum(offsets: Map<number, number>): number {
  return [...offsets.values()].reduce((total, offset) => total + offset, 0)
}
