import type { RecordBatch, TopicPartition } from '../kafka/record-source.ts'
import type { AppliedPosition } from './epoch-store.ts'
import type { CommittedPosition } from './start-plan.ts'

/** Offsets `from` (inclusive) to `to` (exclusive) of one partition. */
export interface PartitionRange extends TopicPartition {
  readonly from: number
  readonly to: number
}

/** Reads the log without being a member of any group: it moves nobody's offsets, unless it is asked to set a new group's. */
export interface LogReader {
  /**
   * What can be read of the partitions of the topics now. `end` is that of the log: it lies beyond `to` while another
   * producer's transaction is open, and what is between cannot be read before that has ended.
   */
  bounds(topics: readonly string[]): Promise<(PartitionRange & { readonly end?: number })[]>
  /** The first offset at or after a time for every partition; its end where there is none. Milliseconds since the epoch. */
  offsetsAt(
    topics: readonly string[],
    timeMs: number,
  ): Promise<(TopicPartition & { readonly offset: number })[]>
  /** What the group has committed; partitions without a committed offset are left out. */
  committed(groupId: string, topics: readonly string[]): Promise<CommittedPosition[]>
  /** Which topic stands behind each name now: one that is created anew has another id. Empty where the cluster tells none. */
  topicIds(topics: readonly string[]): Promise<ReadonlyMap<string, string>>
  /** Sets where a group goes on. False when it has members: only they can commit then. */
  commitForEmptyGroup(groupId: string, positions: readonly AppliedPosition[]): Promise<boolean>
  /** Whether somebody consumes as a member of the group now. */
  hasMembers(groupId: string): Promise<boolean>
  /**
   * Hands over every record of the ranges, each partition in order, one batch at a time. Resolves when all have been
   * taken; throws when the log stays out of reach, or when `signal` aborts.
   */
  read(
    ranges: readonly PartitionRange[],
    take: (batch: RecordBatch) => Promise<void>,
    signal: AbortSignal,
  ): Promise<void>
}
