import type { TopicPartition } from '../events/wire-record.ts'
import type { AssignedPartition } from '../intake/record-source.ts'
import { planStart } from '../intake/start-plan.ts'
import type { AppliedPosition } from '../registry/epoch-store.ts'
import { committedIn, type GroupPosition } from './group-positions.ts'
import type { GroupMember } from './kafkajs/group-internals.ts'
import { fetchBounds } from './partition-bounds.ts'
import { metadataText } from './position-metadata.ts'
import { fetchTopicIds } from './topic-ids.ts'

export interface StartRules {
  readonly startFrom: 'latest' | 'earliest'
  readonly doesStartMove?: boolean | undefined
  /** The positions of this process's last membership. */
  readonly remembered: readonly GroupPosition[]
  /** Reads the positions in the store. */
  readonly recall: () => Promise<readonly AppliedPosition[]>
  /** Keeps positions that somebody else has set in the store. Throws when it cannot. */
  readonly keep: (positions: readonly AppliedPosition[]) => Promise<void>
}

export interface StartPositions {
  readonly assigned: readonly AssignedPartition[]
  readonly topicIds: ReadonlyMap<string, string>
  /** Positions in a deleted topic. The new topic of that name is read from its beginning. */
  readonly voided: readonly GroupPosition[]
}

/**
 * Decides where every assigned partition starts, and commits that if the group does not have it yet. Otherwise kafkajs would
 * look up "latest" at each restart until the first commit, and skip records in between. The same holds for a topic that is
 * assigned to no member, because the group's leader does not know it: its start would be lost with the store.
 */
export async function pinStartPositions(
  member: GroupMember,
  { doesStartMove, keep, recall, remembered, startFrom }: StartRules,
): Promise<StartPositions> {
  const topics = [...member.partitionsPerSubscribedTopic.keys()]
  if (topics.length === 0) return { assigned: [], topicIds: new Map(), voided: [] }
  const topicIds = await fetchTopicIds(member.cluster, topics)
  // Of all partitions, whoever reads them: the group knows a topic if it has read one of them.
  const committed = await committedOf(
    member,
    topics.flatMap((topic) =>
      (member.partitionsPerSubscribedTopic.get(topic) ?? []).map((partition) => ({ topic, partition })),
    ),
  )
  const stored = (await recall()).filter(({ topic }) => topics.includes(topic))
  const missing = remembered.filter(
    (it) => find(stored, it) === undefined && find(committed, it) === undefined,
  )
  const applied = [
    ...stored,
    ...missing.map(({ start = 0, topicId = '', ...it }) => ({ ...it, start, topicId })),
  ]
  const mine = new Set(
    member.assigned().flatMap(({ topic, partitions }) => partitions.map((it) => `${topic}/${it}`)),
  )
  // A deleted topic is assigned to nobody and must not stop the others.
  const others = topics.filter((topic) => !member.assigned().some((it) => it.topic === topic))
  // Last, so that no position is beyond the end.
  const bounds = await fetchBounds(member.cluster, topics, others)
  const starts = planStart({ applied, bounds, committed, doesStartMove, startFrom, topicIds }).map(
    ({ topic, partition, offset, start, topicId }): AssignedPartition => {
      const recordMs = find(committed, { topic, partition })?.recordMs
      return {
        topic,
        partition,
        start,
        position: offset,
        ...(recordMs !== undefined && { recordMs }),
        ...(topicId !== '' && { topicId }),
      }
    },
  )
  const assigned = starts.filter(({ topic, partition }) => mine.has(`${topic}/${partition}`))
  const voided = [...committed, ...applied].filter(
    (it) => isVoid(it, topicIds) && mine.has(`${it.topic}/${it.partition}`),
  )
  // With this relay's metadata it would look like the relay's own position, and an older one in the store would count
  // instead.
  const setByOthers = assigned.filter((it) => {
    const before = find(committed, it)
    return before !== undefined && before.start === undefined && !isVoid(before, topicIds)
  })
  if (setByOthers.length > 0)
    await keep(
      setByOthers.map(({ topic, partition, position: offset, start = 0, topicId = '' }) => ({
        topic,
        partition,
        offset,
        start,
        topicId,
      })),
    )
  const isUnread = ({ topic }: TopicPartition) => !committed.some((it) => it.topic === topic)
  await commitNews(
    member,
    [...assigned, ...starts.filter((it) => !assigned.includes(it) && isUnread(it))],
    committed,
  )
  return { assigned, topicIds, voided }
}

/** A missing id counts as the same topic. */
function isVoid({ topic, topicId = '' }: GroupPosition, topicIds: ReadonlyMap<string, string>): boolean {
  const now = topicIds.get(topic) ?? ''
  return now !== '' && topicId !== '' && topicId !== now
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
  return responses.flatMap(committedIn)
}

/** Commits what the group does not have yet: new positions and new metadata. */
async function commitNews(
  member: GroupMember,
  assigned: readonly AssignedPartition[],
  committed: readonly GroupPosition[],
): Promise<void> {
  const news = assigned.filter((it) => {
    const before = find(committed, it)
    return (
      // A store that lags behind the group only repeats some records. The committed position stays valid.
      before === undefined ||
      before.offset < it.position ||
      before.start !== it.start ||
      before.topicId !== it.topicId
    )
  })
  if (news.length === 0) return
  const topics = [...Map.groupBy(news, ({ topic }) => topic)].map(([topic, ofTopic]) => ({
    topic,
    partitions: ofTopic.map((it) => ({
      partition: it.partition,
      offset: String(Math.max(it.position, find(committed, it)?.offset ?? 0)),
      metadata: metadataText(it),
    })),
  }))
  await member.commitOffsets({ topics })
}

function find<P extends TopicPartition>(list: readonly P[], wanted: TopicPartition): P | undefined {
  return list.find(({ topic, partition }) => topic === wanted.topic && partition === wanted.partition)
}
