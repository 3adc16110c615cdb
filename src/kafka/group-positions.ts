import type { RecordPosition } from '../events/wire-record.ts'
import type { PositionMetadata } from '../intake/record-source.ts'
import type { KafkaTopics } from './kafka-topics.ts'
import { metadataText, readMetadata } from './position-metadata.ts'
import { fetchTopicIds } from './topic-ids.ts'

/** Where a group is in one partition: everything before `offset` is settled. */
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

/** What Kafka answers to somebody who is no member while the group has some, in each state of it. */
const MEMBER_ERRORS = new Set(['UNKNOWN_MEMBER_ID', 'ILLEGAL_GENERATION', 'REBALANCE_IN_PROGRESS'])
const NO_GENERATION = -1

/** The positions of a group, seen and set from outside of it. */
export class GroupPositions {
  readonly #topics: KafkaTopics

  constructor(topics: KafkaTopics) {
    this.#topics = topics
  }

  /** What is committed; partitions without a committed offset are left out, and so are topics that do not exist. */
  async readCommitted(groupId: string, topics: readonly string[]): Promise<GroupPosition[]> {
    const answers = await this.#topics.ask(
      async (admin) => {
        const existing = new Set(await admin.listTopics())
        const wanted = topics.filter((topic) => existing.has(topic))
        return wanted.length === 0 ? [] : admin.fetchOffsets({ groupId, topics: wanted })
      },
      `Read on group ${groupId}, Describe on topics ${topics.join(', ')}`,
    )
    return answers.flatMap(committedIn)
  }

  /** Empty for a topic that does not exist, and where the brokers have no ids. */
  topicIds(topics: readonly string[]): Promise<ReadonlyMap<string, string>> {
    return this.#topics.askCluster(
      (cluster) => fetchTopicIds(cluster, topics),
      `Describe on topics ${topics.join(', ')}`,
    )
  }

  /**
   * Sets the positions of a group that has no members, all or none of one coordinator's answer. `has-members`: somebody
   * consumes with the group, and nothing was changed.
   */
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
          // An answer, which must not cost the connection.
          if (MEMBER_ERRORS.has((error as { type?: string }).type ?? '')) return 'has-members'
          throw error
        }
      },
      `Read on group ${groupId} and on topics ${topics.map(({ topic }) => topic).join(', ')}`,
    )
  }
}
