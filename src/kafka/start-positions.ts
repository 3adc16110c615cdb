import type { TopicPartition } from '../events/wire-record.ts'
import type { InputTopics } from '../intake/input-topics.ts'
import type { AssignedPartition } from '../intake/record-source.ts'
import { planStart } from '../intake/start-plan.ts'
import { RelayFault } from '../lib/errors.ts'
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
  /** Reads the positions in the store; `undefined` while they cannot be known. */
  readonly recall: () => Promise<readonly AppliedPosition[] | undefined>
  /** The proof of the store that is worked with. */
  readonly epoch: string | undefined
  readonly inputs: InputTopics
  /** Keeps positions that somebody else has set in the store. Throws when it cannot. */
  readonly keep: (positions: readonly AppliedPosition[]) => Promise<void>
}

export interface StartPositions {
  readonly assigned: readonly AssignedPartition[]
  readonly topicIds: ReadonlyMap<string, string>
  /** Another replica has settled records of these partitions with another store, and this one may lack them. */
  readonly isElsewhere: boolean
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
  { doesStartMove, epoch, inputs, keep, recall, remembered, startFrom }: StartRules,
): Promise<StartPositions> {
  const topics = [...member.partitionsPerSubscribedTopic.keys()]
  if (topics.length === 0) return { assigned: [], isElsewhere: false, topicIds: new Map(), voided: [] }
  const topicIds = await fetchTopicIds(member.cluster, topics)
  // Of all partitions, whoever reads them: the group knows a topic if it has read one of them.
  const committed = await committedOf(
    member,
    topics.flatMap((topic) =>
      (member.partitionsPerSubscribedTopic.get(topic) ?? []).map((partition) => ({ topic, partition })),
    ),
  )
  const recalled = await recall()
  const subscribed = new Set(topics)
  const stored = (recalled ?? []).filter(({ topic }) => subscribed.has(topic))
  const known = byName([...stored, ...committed])
  const missing = remembered.filter((it) => !known.has(nameOf(it)))
  const applied = [
    ...stored,
    ...missing.map(({ start = 0, topicId = '', ...it }) => ({ ...it, start, topicId })),
  ]
  // From when it is a member, a relay follows all its patterns.
  const isFollowed = (topic: string) => inputs.patternOf(topic) !== undefined
  if (recalled === undefined) refuseNews(topics.filter(isFollowed), [...committed, ...applied])
  const mine = new Set(
    member.assigned().flatMap(({ topic, partitions }) => partitions.map((it) => `${topic}/${it}`)),
  )
  // A deleted topic is assigned to nobody and must not stop the others.
  const ownTopics = new Set(member.assigned().map(({ topic }) => topic))
  const others = topics.filter((topic) => !ownTopics.has(topic))
  // Last, so that no position is beyond the end.
  const bounds = await fetchBounds(member.cluster, topics, others)
  const before = byName(committed)
  const plan = planStart({
    ...{ applied, bounds, committed, doesStartMove, epoch, isFollowed, startFrom, topicIds },
    patternOf: (topic) => inputs.patternOf(topic),
  })
  const starts = plan.map(
    ({ topic, partition, offset, pattern, silentBefore, start, topicId }): AssignedPartition => {
      const recordMs = before.get(nameOf({ topic, partition }))?.recordMs
      return {
        topic,
        partition,
        silentBefore,
        start,
        position: offset,
        ...(epoch !== undefined && { epoch }),
        ...(pattern !== undefined && { pattern }),
        ...(recordMs !== undefined && { recordMs }),
        ...(topicId !== '' && { topicId }),
      }
    },
  )
  const assigned = starts.filter((it) => mine.has(nameOf(it)))
  const voided = [...committed, ...applied].filter((it) => isVoid(it, topicIds) && mine.has(nameOf(it)))
  // With this relay's metadata it would look like the relay's own position, and an older one in the store would count
  // instead.
  const setByOthers = assigned.filter((it) => {
    const set = before.get(nameOf(it))
    return set !== undefined && set.start === undefined && !isVoid(set, topicIds)
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
  const read = new Set(committed.map(({ topic }) => topic))
  const wanted = starts.filter((it) => mine.has(nameOf(it)) || !read.has(it.topic))
  await commitNews(member, wanted, before)
  const isElsewhere = plan.some((it) => it.isElsewhere && mine.has(nameOf(it)))
  return { assigned, isElsewhere, topicIds, voided }
}

/**
 * A topic that is new to the group has appeared, or its noted start stands in the store alone. While the store cannot be
 * read, nobody knows which.
 */
function refuseNews(followed: readonly string[], known: readonly TopicPartition[]): void {
  const topics = new Set(known.map(({ topic }) => topic))
  const unknown = followed.find((topic) => !topics.has(topic))
  if (unknown === undefined) return
  throw new RelayFault('LR_REGISTRY_LOST', `Redis cannot tell where to begin in ${unknown}`)
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
  committed: ReadonlyMap<string, GroupPosition>,
): Promise<void> {
  const news = assigned.filter((it) => {
    const before = committed.get(nameOf(it))
    return (
      // A store that lags behind the group only repeats some records. The committed position stays valid.
      before === undefined ||
      before.offset < it.position ||
      before.start !== it.start ||
      before.topicId !== it.topicId ||
      (it.epoch !== undefined && before.epoch !== it.epoch) ||
      before.pattern !== it.pattern
    )
  })
  if (news.length === 0) return
  const topics = [...Map.groupBy(news, ({ topic }) => topic)].map(([topic, ofTopic]) => ({
    topic,
    partitions: ofTopic.map((it) => ({
      partition: it.partition,
      offset: String(Math.max(it.position, committed.get(nameOf(it))?.offset ?? 0)),
      metadata: metadataText(it),
    })),
  }))
  await member.commitOffsets({ topics })
}

function byName<P extends TopicPartition>(positions: readonly P[]): Map<string, P> {
  return new Map(positions.map((it) => [nameOf(it), it]))
}

function nameOf({ topic, partition }: TopicPartition): string {
  return `${topic}/${partition}`
}
