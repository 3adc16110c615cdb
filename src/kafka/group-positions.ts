import type { RecordPosition } from '../events/wire-record.ts'
import type { PositionMetadata } from '../intake/record-source.ts'
import { topicsText } from './kafka-refusal.ts'
import type { KafkaTopics } from './kafka-topics.ts'
import { metadataText, readMetadata } from './position-metadata.ts'
import { fetchTopicIds } from './topic-ids.ts'

/** A group's position in one partition. Every record before `offset` is settled. */
export type GroupPosition = RecordPosition & PositionMetadata

interface CommittedOffsets {
  readonly topic: string
  readonly partitions: readonly {
    readonly partition: number
    readonly offset: string
    readonly metadata?: string | null
  }[]
}

/** Partitions without a committed offset are left out. */
export function committedIn({ topic, partitions }: CommittedOffsets): GroupPosition[] {
  return partitions
    .filter(({ offset }) => Number(offset) >= 0)
    .map(({ partition, offset, metadata }) => ({
      topic,
      partition,
      offset: Number(offset),
      ...readMetadata(metadata),
    }))
}

/** Kafka's errors for a commit by a non-member while the group has members, in each group state. */
const MEMBER_ERRORS = new Set(['UNKNOWN_MEMBER_ID', 'ILLEGAL_GENERATION', 'REBALANCE_IN_PROGRESS'])
const NO_GENERATION = -1

/** Reads and sets a group's positions without being a member. */
export class GroupPositions {
  readonly #topics: KafkaTopics

  constructor(topics: KafkaTopics) {
    this.#topics = topics
  }

  /** The committed positions. Partitions without one and missing topics are left out. */
  async readCommitted(groupId: string, topics: readonly string[]): Promise<GroupPosition[]> {
    const answers = await this.#topics.ask(
      // Of all topics: for named ones kafkajs requests the metadata of each, with those of all before it.
      (admin) => admin.fetchOffsets({ groupId, topics: [] }),
      `Read on group ${groupId}, Describe on topics ${topicsText(topics)}`,
    )
    const wanted = new Set(topics)
    return answers.filter(({ topic }) => wanted.has(topic)).flatMap(committedIn)
  }

  /** Empty for a missing topic, and if the brokers have no ids. */
  topicIds(topics: readonly string[]): Promise<ReadonlyMap<string, string>> {
    return this.#topics.askCluster(
      (cluster) => fetchTopicIds(cluster, topics),
      `Describe on topics ${topicsText(topics)}`,
    )
  }

  /** Sets the positions of a group without members, in one request to its coordinator. `has-members`: nothing was changed. */
  async commitAsNobody(
    groupId: string,
    positions: readonly GroupPosition[],
  ): Promise<'committed' | 'has-members'> {
    if (positions.length === 0) return 'committed'
    const topics = [...Map.groupBy(positions, ({ topic }) => topic)].map(([topic, ofTopic]) => ({
      topic,
      partitions: ofTopic.map((position) => ({
        partition: position.partition,
        offset: String(position.offset),
        metadata: metadataText(position),
      })),
    }))
    return this.#topics.askCluster(
      async (cluster) => {
        const coordinator = await cluster.findGroupCoordinator({ groupId })
        try {
          await coordinator.offsetCommit({ groupId, groupGenerationId: NO_GENERATION, memberId: '', topics })
          return 'committed'
        } catch (error) {
          // An answer of the broker, so the connection stays open.
          if (MEMBER_ERRORS.has((error as { type?: string }).type ?? '')) return 'has-members'
          throw error
        }
      },
      `Read on group ${groupId} and on topics ${topicsText(topics.map(({ topic }) => topic))}`,
    )
  }
}
