import type { GroupMember } from './group-internals.ts'
import type { TopicPartition } from './record-source.ts'

export type AssignedPartition = TopicPartition & {
  /** The committed offset, which is also where reading starts. */
  readonly position: number
}

/**
 * Finds where every assigned partition starts, and commits the start of those that have none yet. kafkajs would
 * look up "latest" anew at each restart until the first commit, and so skip what was written in between.
 *
 * A partition without a committed offset in a topic that has others was added later: nothing of it was read, so it
 * starts at its beginning whatever `startFrom` says.
 */
export async function pinStartPositions(
  member: GroupMember,
  startFrom: 'latest' | 'earliest',
): Promise<AssignedPartition[]> {
  const assigned = member.assigned()
  if (assigned.every(({ partitions }) => partitions.length === 0)) return []
  const { responses } = await member.coordinator.offsetFetch({
    groupId: member.groupId,
    topics: assigned.map(({ topic, partitions }) => ({
      topic,
      partitions: partitions.map((partition) => ({ partition })),
    })),
  })
  const found: AssignedPartition[] = []
  const missing: { topic: string; partitions: { partition: number }[]; fromBeginning: boolean }[] = []
  for (const { topic, partitions } of responses) {
    const without = partitions.filter(({ offset }) => Number(offset) < 0)
    for (const { partition, offset } of partitions) {
      if (Number(offset) >= 0) found.push({ topic, partition, position: Number(offset) })
    }
    if (without.length === 0) continue
    const fromBeginning = startFrom === 'earliest' || (await isKnownTopic(member, topic))
    missing.push({ topic, partitions: without.map(({ partition }) => ({ partition })), fromBeginning })
  }
  if (missing.length === 0) return found
  const starts = await member.cluster.fetchTopicsOffset(missing)
  await member.commitOffsets({ topics: starts })
  for (const { topic, partitions } of starts) {
    for (const { partition, offset } of partitions) found.push({ topic, partition, position: Number(offset) })
  }
  return found
}

/** The group has a committed offset for some partition of the topic, whoever reads it now. */
async function isKnownTopic(member: GroupMember, topic: string): Promise<boolean> {
  const partitions = member.partitionsPerSubscribedTopic.get(topic) ?? []
  const { responses } = await member.coordinator.offsetFetch({
    groupId: member.groupId,
    topics: [{ topic, partitions: partitions.map((partition) => ({ partition })) }],
  })
  return responses.some((response) => response.partitions.some(({ offset }) => Number(offset) >= 0))
}
