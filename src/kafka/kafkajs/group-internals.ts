import { createRequire } from 'node:module'
import type { PartitionAssigner } from 'kafkajs'
import type { TopicPartition } from '../../events/wire-record.ts'
import type { Cluster } from './kafka-cluster.ts'
import { kafkajs } from './kafkajs.ts'

/*
 * kafkajs has no awaited hook around a rebalance, and its subscription cannot change while it runs. Its public commit retries under a newer generation, in which the broker
 * accepts a commit for a lost partition. If the log does not hold a position, it commits an invalid offset and chooses the
 * next one itself. All of that is corrected here, on the internal group object.
 */

interface Coordinator {
  heartbeat(request: { groupId: string; memberId: string; groupGenerationId: number }): Promise<unknown>
  offsetFetch(request: {
    groupId: string
    topics: { topic: string; partitions: { partition: number }[] }[]
  }): Promise<{
    responses: {
      topic: string
      partitions: { partition: number; offset: string; metadata: string | null }[]
    }[]
  }>
}

/** The members of kafkajs' `ConsumerGroup` that are used. */
export interface GroupMember {
  readonly groupId: string
  readonly memberId: string | null
  readonly generationId: number | null
  readonly coordinator: Coordinator
  readonly cluster: Cluster
  /** All partitions of each topic, including those assigned to others. */
  readonly partitionsPerSubscribedTopic: ReadonlyMap<string, number[]>
  /** What the member tells the group that it reads. */
  topicsSubscribed: string[]
  readonly topicConfigurations: Record<string, { fromBeginning: boolean }>
  assigned(): { topic: string; partitions: number[] }[]
  commitOffsets(offsets: {
    topics: { topic: string; partitions: { partition: number; offset: string; metadata: string }[] }[]
  }): Promise<void>
  seek(position: { topic: string; partition: number; offset: string }): void
  joinAndSync(): Promise<void>
  /** Called before each fetch. What it throws decides whether the member rejoins. */
  checkForStaleAssignment(): void
  recoverFromOffsetOutOfRange(error: TopicPartition): Promise<void>
}

export interface GroupHooks {
  /** Before the member rejoins, while it still owns its partitions. */
  beforeRejoin(member: GroupMember): Promise<void>
  /** Before it joins as a new member: for the first time, or after an eviction. */
  beforeFreshJoin(): void
  /** The topics to subscribe to with the next join. */
  topics(): readonly string[]
  /** Whether the member should rejoin now, because it should read other topics. Once true, it is false until asked for again. */
  takeRejoin(): boolean
  /** After a new assignment, before the first fetch. */
  afterJoin(member: GroupMember): Promise<void>
  /** The log does not hold the requested offset. Resolves when the position is corrected. */
  onOutOfRange(member: GroupMember, partition: TopicPartition): Promise<void>
}

const hooksByCluster = new WeakMap<object, GroupHooks>()
let isPatched = false

/**
 * An assigner that attaches the hooks to its consumer: kafkajs passes it the cluster object, which the group object holds
 * too.
 */
export function hookedAssigner(hooks: GroupHooks): PartitionAssigner {
  patchOnce()
  return (config) => {
    hooksByCluster.set(config.cluster, hooks)
    return kafkajs.PartitionAssigners.roundRobin(config)
  }
}

function patchOnce(): void {
  if (isPatched) return
  isPatched = true
  const ConsumerGroup = createRequire(import.meta.url)('kafkajs/src/consumer/consumerGroup') as {
    prototype: GroupMember
  }
  const original = ConsumerGroup.prototype.joinAndSync
  ConsumerGroup.prototype.joinAndSync = async function joinWithHooks(this: GroupMember) {
    const hooks = hooksByCluster.get(this.cluster)
    if (this.memberId) await hooks?.beforeRejoin(this)
    else hooks?.beforeFreshJoin()
    if (hooks !== undefined) await subscribe(this, hooks.topics())
    await original.call(this)
    await hooks?.afterJoin(this)
  }
  const check = ConsumerGroup.prototype.checkForStaleAssignment
  ConsumerGroup.prototype.checkForStaleAssignment = function rejoinByHook(this: GroupMember) {
    // As if the coordinator had called for it: this error ends all fetches before the member joins, once.
    if (hooksByCluster.get(this.cluster)?.takeRejoin() === true)
      throw Object.assign(new Error('the topics have changed'), { type: 'REBALANCE_IN_PROGRESS' })
    check.call(this)
  }
  const recover = ConsumerGroup.prototype.recoverFromOffsetOutOfRange
  ConsumerGroup.prototype.recoverFromOffsetOutOfRange = function recoverByHook(this: GroupMember, error) {
    const hooks = hooksByCluster.get(this.cluster)
    return hooks === undefined ? recover.call(this, error) : hooks.onOutOfRange(this, error)
  }
}

/** The old topics stay where the broker that is asked does not know the new ones yet. */
async function subscribe(member: GroupMember, topics: readonly string[]): Promise<void> {
  const { cluster, topicConfigurations } = member
  if (isSubscribed(member, topics)) return
  try {
    await cluster.addMultipleTargetTopics([...topics])
  } catch {
    return
  }
  const wanted = new Set(topics)
  for (const topic of member.topicsSubscribed) if (!wanted.has(topic)) cluster.targetTopics.delete(topic)
  for (const topic of topics) topicConfigurations[topic] = { fromBeginning: true }
  member.topicsSubscribed = [...topics]
}

export function isSubscribed({ topicsSubscribed }: GroupMember, topics: readonly string[]): boolean {
  const subscribed = new Set(topicsSubscribed)
  return subscribed.size === topics.length && topics.every((topic) => subscribed.has(topic))
}
