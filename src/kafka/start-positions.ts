import type { GroupMember } from './group-internals.ts'
import type { GroupPosition } from './group-positions.ts'
import { fetchBounds, type PartitionBounds } from './partition-bounds.ts'
import { metadataText, readMetadata } from './position-metadata.ts'
import type { AssignedPartition, TopicPartition } from './record-source.ts'
import { fetchTopicIds } from './topic-ids.ts'

export interface StartRules {
  readonly startFrom: 'latest' | 'earliest'
  /** What this process knows of its last membership. */
  readonly remembered: readonly GroupPosition[]
  /** What is known of a group whose offsets Kafka has dropped, from elsewhere. */
  readonly recall: (topics: readonly string[]) => Promise<readonly GroupPosition[]>
}

export interface StartPositions {
  readonly assigned: readonly AssignedPartition[]
  readonly topicIds: ReadonlyMap<string, string>
  /** Positions in a topic that was deleted: the one that has its name now is read from its beginning. */
  readonly voided: readonly GroupPosition[]
}

/**
 * Finds where every assigned partition starts, and commits it where the group does not say so yet. kafkajs would
 * look up "latest" anew at each restart until the first commit, and so skip what was written in between.
 *
 * A position is what the group has committed; Kafka drops that after days without members, and when the topic is deleted.
 * Then it is what is remembered of it. It counts for the topic of its id only. A partition without one in a topic that is
 * known was added later, or is one of a topic that was created anew: nothing of it was read, so it starts at its
 * beginning whatever `startFrom` says.
 */
export async function pinStartPositions(member: GroupMember, rules: StartRules): Promise<StartPositions> {
  const partitions = member
    .assigned()
    .flatMap((it) => it.partitions.map((partition) => ({ topic: it.topic, partition })))
  const topics = [...new Set(partitions.map(({ topic }) => topic))]
  if (topics.length === 0) return { assigned: [], topicIds: new Map(), voided: [] }
  const topicIds = await fetchTopicIds(member.cluster, topics)
  const committed = await committedOf(member, partitions)
  const isComplete = partitions.every((it) => find(committed, it) !== undefined)
  const others = isComplete ? [] : [...rules.remembered, ...(await rules.recall(topics))]
  const known = await knownTopics(member, topics, [...committed, ...others])
  const voided: GroupPosition[] = []
  const assigned: AssignedPartition[] = []
  let bounds: readonly PartitionBounds[] | undefined
  for (const partition of partitions) {
    const topicId = topicIds.get(partition.topic) ?? ''
    const found = find(committed, partition) ?? find(others, partition)
    const isOfOther = found?.topicId !== undefined && topicId !== '' && found.topicId !== topicId
    if (found !== undefined && !isOfOther) {
      const { offset, start, recordMs } = found
      assigned.push({
        ...partition,
        position: offset,
        ...(start !== undefined && { start }),
        ...(recordMs !== undefined && { recordMs }),
        ...(topicId !== '' && { topicId }),
      })
      continue
    }
    if (found !== undefined) voided.push(found)
    bounds ??= await fetchBounds(member.cluster, topics)
    const { from = 0, to = 0 } = find(bounds, partition) ?? {}
    const fromBeginning = rules.startFrom === 'earliest' || known.has(partition.topic)
    const position = fromBeginning ? from : to
    assigned.push({ ...partition, position, start: position, ...(topicId !== '' && { topicId }) })
  }
  await commitNews(member, assigned, committed)
  return { assigned, topicIds, voided }
}

async function committedOf(
  member: GroupMember,
  partitions: readonly TopicPartition[],
): Promise<GroupPosition[]> {
  const { responses } = await member.coordinator.offsetFetch({
    groupId: member.groupId,
    topics: [...Map.groupBy(partitions, ({ topic }) => topic)].map(([topic, ofTopic]) => ({
      topic,
      partitions: ofTopic.map(({ partition }) => ({ partition })),
    })),
  })
  return responses.flatMap(({ topic, partitions: answers }) =>
    answers
      .filter(({ offset }) => Number(offset) >= 0)
      .map(({ partition, offset, metadata }) => ({
        topic,
        partition,
        offset: Number(offset),
        ...readMetadata(metadata),
      })),
  )
}

/** Those of which the group, or whoever remembers it, has a position in some partition, whoever reads it now. */
async function knownTopics(
  member: GroupMember,
  topics: readonly string[],
  positions: readonly GroupPosition[],
): Promise<ReadonlySet<string>> {
  const known = new Set(positions.map(({ topic }) => topic))
  const asked = topics.filter((topic) => !known.has(topic))
  if (asked.length === 0) return known
  const partitions = asked.flatMap((topic) =>
    (member.partitionsPerSubscribedTopic.get(topic) ?? []).map((partition) => ({ topic, partition })),
  )
  for (const { topic } of await committedOf(member, partitions)) known.add(topic)
  return known
}

/** What the group does not say already: new positions, and what is known of them since. */
async function commitNews(
  member: GroupMember,
  assigned: readonly AssignedPartition[],
  committed: readonly GroupPosition[],
): Promise<void> {
  const news = assigned.filter((it) => {
    const before = find(committed, it)
    return (
      before === undefined ||
      before.offset !== it.position ||
      before.start !== it.start ||
      before.topicId !== it.topicId
    )
  })
  if (news.length === 0) return
  const topics = [...Map.groupBy(news, ({ topic }) => topic)].map(([topic, ofTopic]) => ({
    topic,
    partitions: ofTopic.map((it) => ({
      partition: it.partition,
      offset: String(it.position),
      metadata: metadataText(it),
    })),
  }))
  await member.commitOffsets({ topics })
}

function find<P extends TopicPartition>(list: readonly P[], wanted: TopicPartition): P | undefined {
  return list.find(({ topic, partition }) => topic === wanted.topic && partition === wanted.partition)
}
