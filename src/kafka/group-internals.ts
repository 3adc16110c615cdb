import { createRequire } from 'node:module'
import type { PartitionAssigner } from 'kafkajs'
import { kafkajs } from './kafkajs.ts'

/*
 * kafkajs has no awaited hook around a rebalance, and its public commit retries under a newer generation, where the
 * broker accepts a commit for a partition that was lost. Both are cured here, on the internal group object.
 */

interface TopicOffsets<O> {
  topic: string
  partitions: { partition: number; offset: O }[]
}

interface Coordinator {
  heartbeat(request: { groupId: string; memberId: string; groupGenerationId: number }): Promise<unknown>
  offsetFetch(request: {
    groupId: string
    topics: { topic: string; partitions: { partition: number }[] }[]
  }): Promise<{ responses: TopicOffsets<string>[] }>
}

interface Cluster {
  fetchTopicsOffset(
    topics: { topic: string; partitions: { partition: number }[]; fromBeginning: boolean }[],
  ): Promise<TopicOffsets<string>[]>
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
  commitOffsets(offsets: { topics: TopicOffsets<string>[] }): Promise<void>
  seek(position: { topic: string; partition: number; offset: string }): void
  joinAndSync(): Promise<void>
}

export interface GroupHooks {
  /** Before the member joins again, while its old partitions are still its own. */
  beforeRejoin(member: GroupMember): Promise<void>
  /** Before it joins as somebody new: for the first time, or because the group has given it up. */
  beforeFreshJoin(): void
  /** After it has a new assignment, before the first fetch. */
  afterJoin(member: GroupMember): Promise<void>
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
}
