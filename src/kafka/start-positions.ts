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
  /** What this process knows of its last membership. */
  readonly remembered: readonly GroupPosition[]
  /** What is kept of the group elsewhere. */
  readonly recall: () => Promise<readonly AppliedPosition[]>
  /** Keeps positions there that somebody else has set. Throws when they cannot be kept. */
  readonly keep: (positions: readonly AppliedPosition[]) => Promise<void>
}

export interface StartPositions {
  readonly assigned: readonly AssignedPartition[]
  readonly topicIds: ReadonlyMap<string, string>
  /** Positions in a topic that was deleted: the one that has its name now is read from its beginning. */
  readonly voided: readonly GroupPosition[]
}

/**
 * Finds where every assigned partition starts, and commits it where the group does not say so yet. kafkajs would
 * look up "latest" anew at each restart until the first commit, and so skip what was written in between. So it is
 * for a topic that is assigned to nobody, because the group's leader does not know of it: its start would be lost with
 * the store.
 */
export async function pinStartPositions(
  member: GroupMember,
  { keep, recall, remembered, startFrom }: StartRules,
): Promise<StartPositions> {
  const topics = [...member.partitionsPerSubscribedTopic.keys()]
  if (topics.length === 0) return { assigned: [], topicIds: new Map(), voided: [] }
  const topicIds = await fetchTopicIds(member.cluster, topics)
  // Of all partitions, whoever reads them: a topic is known when one of them is.
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
  // One that is deleted is assigned to nobody, and does not stop the others.
  const others = topics.filter((topic) => !member.assigned().some((it) => it.topic === topic))
  // The last, so that no position lies beyond them.
  const bounds = await fetchBounds(member.cluster, topics, others)
  const starts = planStart({ applied, bounds, committed, startFrom, topicIds }).map(
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
  // With this relay's metadata beside it, it would not be told from the relay's own any more, and an older one that is kept
  // would count instead.
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

/** Where one of the ids is not known they are taken to be the same. */
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

/** What the group does not say already: new positions, and what is known of them since. */
async function commitNews(
  member: GroupMember,
  assigned: readonly AssignedPartition[],
  committed: readonly GroupPosition[],
): Promise<void> {
  const news = assigned.filter((it) => {
    const before = find(committed, it)
    return (
      // A store that lags behind the group brings some records again, and what was committed stays true.
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
