import type { Admin, DescribeConfigResponse } from 'kafkajs'
import type {
  BrokerFacts,
  DeadLetterFacts,
  ExaminedKafka,
  Fact,
  GroupFacts,
  PartitionProgress,
  RecentFacts,
  TopicFacts,
  TopicLayout,
} from '../diagnosis/facts.ts'
import type { FeedFacts } from '../diagnosis/feed-files.ts'
import type { TopicPartition } from '../events/wire-record.ts'
import type { PartitionRange } from '../intake/log-reader.ts'
import { delay, settledWithin } from '../lib/deferred.ts'
import { codeOf, messageOf, RelayFault } from '../lib/errors.ts'
import { GroupPositions } from './group-positions.ts'
import type { KafkaTopics } from './kafka-topics.ts'
import { kafkajs } from './kafkajs/kafkajs.ts'
import { refusalIn, TopicFactsReader, type TopicNames } from './topic-facts.ts'

const PAUSE_MS = 500
/** For all requests together: a cluster without a majority may neither answer nor refuse. */
const TIME_MS = 20_000

export interface KafkaFactsOptions {
  readonly topics: KafkaTopics
  readonly names: TopicNames
  readonly groupId: string
  readonly feed: () => FeedFacts
  /** What the relay would make of the last records, and of dead letters. */
  readonly readRecent: () => Promise<RecentFacts>
  readonly readLetters: (topic: string, ranges: readonly PartitionRange[]) => Promise<DeadLetterFacts>
}

/** Reads the facts about Kafka that the doctor needs. A refused request leaves its fact unread. */
export class KafkaFactsReader implements ExaminedKafka {
  readonly #options: KafkaFactsOptions
  #endsAtMs: number | undefined

  constructor(options: KafkaFactsOptions) {
    this.#options = options
  }

  async brokers(): Promise<readonly BrokerFacts[]> {
    const { topics } = this.#options
    const { brokers } = await this.#retrying(() => topics.ask((admin) => admin.describeCluster()))
    return brokers
  }

  topics(): Promise<readonly TopicFacts[]> {
    const { topics, names } = this.#options
    return this.#retrying(async () => {
      await names.inputs.look()
      return new TopicFactsReader(topics, names).read()
    })
  }

  async layout(topic: string): Promise<TopicLayout> {
    const { topics } = this.#options
    const partitions = await this.#retrying(() => topics.layout(topic))
    return {
      limits: await this.#fact(async (admin) => limitsIn(await describeLimits(admin, topic))),
      partitions: partitions.map(({ partitionId, leader, replicas, isr }) => ({
        partition: partitionId,
        leader,
        replicas,
        inSync: isr,
      })),
    }
  }

  group(): Promise<Fact<GroupFacts>> {
    const { groupId } = this.#options
    return this.#fact(async (admin) => {
      const { groups } = await admin.describeGroups([groupId])
      const { state = 'Dead', members = [] } = groups[0] ?? {}
      return { state, members: members.map(({ clientId, clientHost }) => ({ clientId, host: clientHost })) }
    })
  }

  progress(sinceMs: number): Promise<Fact<readonly PartitionProgress[]>> {
    const { groupId, names, topics } = this.#options
    const positions = new GroupPositions(topics)
    return this.#fact(async (admin) => {
      const existing = new Set(await admin.listTopics())
      const inputs = names.inputs.names.filter((it) => existing.has(it))
      const committed = byName(await positions.readCommitted(groupId, inputs))
      const topicIds = await positions.topicIds(inputs)
      const young = byName(await topics.offsetsAt(inputs, sinceMs))
      // Last, so that no position is beyond an end that was read before it.
      const bounds = await topics.bounds(inputs)
      const found: PartitionProgress[] = []
      for (const { topic, partition, from, to, end } of bounds) {
        const name = nameOf({ topic, partition })
        const position = committed.get(name)
        const topicId = topicIds.get(topic)
        const hiddenSinceMs =
          to < end ? await topics.timeAt({ topic, partition }, to).catch(() => undefined) : undefined
        found.push({
          topic,
          partition,
          committed: position?.offset,
          low: from,
          high: end,
          readable: to,
          young: young.get(name)?.offset ?? -1,
          isOfOther: Boolean(position?.topicId && topicId && position.topicId !== topicId),
          ...(hiddenSinceMs !== undefined && { hiddenSinceMs }),
        })
      }
      return found
    })
  }

  async deadLetters(sinceMs: number): Promise<Fact<DeadLetterFacts>> {
    try {
      return await this.#deadLetters(sinceMs)
    } catch (error) {
      // Who may only write them can run a relay.
      if (codeOf(error) !== 'LR_REFUSED') throw error
      return { unread: messageOf(error) }
    }
  }

  #deadLetters(sinceMs: number): Promise<Fact<DeadLetterFacts>> {
    const { names, readLetters, topics } = this.#options
    return this.#fact(async (admin) => {
      const topic = names.deadLetter ?? ''
      const nothing = { topic, count: 0, readable: 0, ofOthers: 0, isPart: false }
      if (!(await admin.listTopics()).includes(topic)) return nothing
      const young = byName(await topics.offsetsAt([topic], sinceMs))
      const bounds = await topics.bounds([topic])
      const ranges = bounds.flatMap(({ partition, to }) => {
        const from = young.get(nameOf({ topic, partition }))?.offset ?? to
        return from < to ? [{ topic, partition, from, to }] : []
      })
      return readLetters(topic, ranges)
    })
  }

  feed(): FeedFacts {
    return this.#options.feed()
  }

  recent(): Promise<RecentFacts> {
    return this.#retrying(this.#options.readRecent)
  }

  close(): Promise<void> {
    return this.#options.topics.close()
  }

  #fact<T>(look: (admin: Admin) => Promise<T>): Promise<Fact<T>> {
    const { groupId, topics } = this.#options
    const ask = () =>
      topics.ask(async (admin): Promise<Fact<T>> => {
        try {
          return { value: await look(admin) }
        } catch (error) {
          const unread = refusalIn(error)
          if (unread === undefined) throw error
          return { unread }
        }
      }, `Describe on group ${groupId} and on its topics`)
    return this.#retrying(ask)
  }

  /** kafkajs may pick a broker that has just died. A retry reaches another one. */
  async #retrying<T>(ask: () => Promise<T>): Promise<T> {
    this.#endsAtMs ??= performance.now() + TIME_MS
    const leftMs = Math.max(0, this.#endsAtMs - performance.now())
    const answer = ask()
    if (!(await settledWithin(answer, leftMs))) {
      throw new RelayFault('LR_UNAVAILABLE', `Kafka has not answered within ${TIME_MS} ms`)
    }
    try {
      return await answer
    } catch (error) {
      if (codeOf(error) === 'LR_REFUSED') throw error
      if (performance.now() + PAUSE_MS + TIME_MS / 2 > this.#endsAtMs) throw error
      await delay(PAUSE_MS)
      return this.#retrying(ask)
    }
  }
}

function byName<P extends TopicPartition>(positions: readonly P[]): Map<string, P> {
  return new Map(positions.map((it) => [nameOf(it), it]))
}

function nameOf({ topic, partition }: TopicPartition): string {
  return `${topic}/${partition}`
}

const LIMITS = ['min.insync.replicas', 'max.message.bytes']

function describeLimits(admin: Admin, topic: string): Promise<DescribeConfigResponse> {
  const resource = { type: kafkajs.ConfigResourceTypes.TOPIC, name: topic, configNames: LIMITS }
  return admin.describeConfigs({ includeSynonyms: false, resources: [resource] })
}

function limitsIn({ resources }: DescribeConfigResponse) {
  const entries = resources[0]?.configEntries ?? []
  const setting = (name: string) => Number(entries.find((it) => it.configName === name)?.configValue)
  return { minInSync: setting('min.insync.replicas'), messageBytesMax: setting('max.message.bytes') }
}
