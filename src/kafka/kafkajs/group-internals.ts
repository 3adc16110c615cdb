import { createRequire } from 'node:module'
import type { PartitionAssigner } from 'kafkajs'
import type { TopicPartition } from '../../events/wire-record.ts'
import type { Cluster } from './kafka-cluster.ts'
import { kafkajs } from './kafkajs.ts'

/*
 * kafkajs has no awaited hook around a rebalance, and its public commit retries under a newer generation, where the
 * broker accepts a commit for a partition that was lost. Where the log does not hold a position it commits an offset that
 * is none, and decides by itself where to go on. All of it is cured here, on the internal group object.
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

/** The part of kafkajs' `ConsumerGroup` that is used. */
export interface GroupMember {
  readonly groupId: string
  readonly memberId: string | null
  readonly generationId: number | null
  readonly coordinator: Coordinator
  readonly cluster: Cluster
  /** All partitions of each topic, not only those assigned here. */
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
  /** Before the member joins again, while its old partitions are still its own. */
  beforeRejoin(member: GroupMember): Promise<void>
  /** Before it joins as somebody new: for the first time, or because the group has given it up. */
  beforeFreshJoin(): void
  /** After it has a new assignment, before the first fetch. */
  afterJoin(member: GroupMember): Promise<void>
  /** The log does not hold the offset that was asked for. What is to be done about it is done when this resolves. */
  onOutOfRange(member: GroupMember, partition: TopicPartition): Promise<void>
}

const hooksByCluster = new WeakMap<object, GroupHooks>()
let isPatched = false

/**
 * An assigner that ties the hooks to the consumer it is given to: kafkajs hands it the cluster object, which the
 * group object holds too.
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
