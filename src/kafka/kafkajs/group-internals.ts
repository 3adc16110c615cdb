import { createRequire } from 'node:module'
import type { PartitionAssigner } from 'kafkajs'
import type { TopicPartition } from '../../events/wire-record.ts'
import type { Cluster } from './kafka-cluster.ts'
import { kafkajs } from './kafkajs.ts'

/*
 * kafkajs has no awaited hook around a rebalance. Its public commit retries under a newer generation, in which the broker
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
  assigned(): { topic: string; partitions: number[] }[]
  commitOffsets(offsets: {
    topics: { topic: string; partitions: { partition: number; offset: string; metadata: string }[] }[]
  }): Promise<void>
  seek(position: { topic: string; partition: number; offset: string }): void
  joinAndSync(): Promise<void>
  recoverFromOffsetOutOfRange(error: TopicPartition): Promise<void>
}

export interface GroupHooks {
  /** Before the member rejoins, while it still owns its partitions. */
  beforeRejoin(member: GroupMember): Promise<void>
  /** Before it joins as a new member: for the first time, or after an eviction. */
  beforeFreshJoin(): void
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
    await original.call(this)
    await hooks?.afterJoin(this)
  }
  const recover = ConsumerGroup.prototype.recoverFromOffsetOutOfRange
  ConsumerGroup.prototype.recoverFromOffsetOutOfRange = function recoverByHook(this: GroupMember, error) {
    const hooks = hooksByCluster.get(this.cluster)
    return hooks === undefined ? recover.call(this, error) : hooks.onOutOfRange(this, error)
  }
}
