import type { TopicPartition } from '../events/wire-record.ts'
import type { AppliedPosition } from '../registry/epoch-store.ts'
import type { RecordBatch } from './record-source.ts'
import type { CommittedPosition } from './start-plan.ts'

/** Offsets `from` (inclusive) to `to` (exclusive) of one partition. */
export interface PartitionRange extends TopicPartition {
  readonly from: number
  readonly to: number
}

/** What a partition holds: what can be read of it, and where the log ends, if that is further on. */
export type PartitionBounds = PartitionRange & { readonly end?: number }

/** Reads the log without being a member of any group: it moves nobody's offsets, unless it is asked to set a new group's. */
export interface LogReader {
  /**
   * What can be read of the partitions of the topics now. `end` is that of the log: it lies beyond `to` while another
   * producer's transaction is open, and what is between cannot be read before that has ended.
   */
  bounds(topics: readonly string[]): Promise<PartitionBounds[]>
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
  /**
   * As `read`, for outcomes alone, and up to the very end of the log: another producer's open transaction hides none. A relay
   * writes its outcomes in no transaction, so what is in one is left out, however it ends.
   */
  readOutcomes: LogReader['read']
}

/** Up to the very end, where outcomes can be read. */
export function wholeOf({ end, ...range }: PartitionBounds): PartitionRange {
  return { ...range, to: end ?? range.to }
}

/** What another producer's open transaction hides: only outcomes can be read there. */
export function hiddenIn(bounds: readonly PartitionBounds[]): PartitionRange[] {
  return bounds
    .map(({ from, to, end = to, ...partition }) => ({ ...partition, from: Math.max(from, to), to: end }))
    .filter(({ from, to }) => from < to)
}

/** For people. */
export function describeHidden({ topic, partition, from, to }: PartitionRange): string {
  return `${to - from} record(s) of ${topic}, partition ${partition}, are behind an open transaction of another producer: only outcomes among them were read`
}
