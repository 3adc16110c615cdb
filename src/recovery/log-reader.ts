import type { RecordBatch, TopicPartition } from '../kafka/record-source.ts'

/** Offsets `from` (inclusive) to `to` (exclusive) of one partition. */
export interface PartitionRange extends TopicPartition {
  readonly from: number
  readonly to: number
}

/** Reads the log without being a member of any group: it moves nobody's offsets. */
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
  committed(
    groupId: string,
    topics: readonly string[],
  ): Promise<(TopicPartition & { readonly offset: number })[]>
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
