import { isSamePartition, type TopicPartition } from '../events/wire-record.ts'
import { counted, wordFor } from '../lib/counted.ts'
import { delay } from '../lib/deferred.ts'
import type { AppliedPosition } from '../registry/epoch-store.ts'
import type { PositionMetadata, RecordBatch } from './record-source.ts'
import type { CommittedPosition } from './start-plan.ts'

/** Offsets `from` (inclusive) to `to` (exclusive) of one partition. */
export interface PartitionRange extends TopicPartition {
  readonly from: number
  readonly to: number
}

/** The readable range of a partition, and the end of the log if it is further on. */
export type PartitionBounds = PartitionRange & { readonly end?: number }

/** Reads the log outside of any group. It changes no offsets, except by `commitForEmptyGroup`. */
export interface LogReader {
  /**
   * The readable range of each partition. While another producer's transaction is open, `end` lies beyond `to`; the records
   * between cannot be read yet.
   */
  bounds(topics: readonly string[]): Promise<PartitionBounds[]>
  /** The first offset at or after a time for each partition, or its end if there is none. Milliseconds since the epoch. */
  offsetsAt(
    topics: readonly string[],
    timeMs: number,
  ): Promise<(TopicPartition & { readonly offset: number })[]>
  /** The group's committed positions. Partitions without one are left out. */
  committed(groupId: string, topics: readonly string[]): Promise<CommittedPosition[]>
  /** The id of each topic. A recreated topic has a new id. Empty if the cluster has no ids. */
  topicIds(topics: readonly string[]): Promise<ReadonlyMap<string, string>>
  /** Sets the positions of a group. False when it has members, since only they can commit then. */
  commitForEmptyGroup(
    groupId: string,
    positions: readonly (AppliedPosition & Pick<PositionMetadata, 'epoch' | 'pattern'>)[],
  ): Promise<boolean>
  hasMembers(groupId: string): Promise<boolean>
  /**
   * Passes every record of the ranges to `take`, each partition in order, one batch at a time. Resolves when all have been
   * taken. Throws when the log stays out of reach or `signal` aborts.
   */
  read(
    ranges: readonly PartitionRange[],
    take: (batch: RecordBatch) => Promise<void>,
    signal: AbortSignal,
  ): Promise<void>
  /**
   * As `read`, for outcomes alone, and to the end of the log: another producer's open transaction hides none. Relays write
   * outcomes outside of transactions, so outcomes inside of one are left out.
   */
  readOutcomes: LogReader['read']
}

/** The range to the end of the log, where outcomes can be read. */
export function wholeOf({ end, ...range }: PartitionBounds): PartitionRange {
  return { ...range, to: end ?? range.to }
}

/** Producers that use transactions have one open most of the time. Only one that stays open so long is worth a word. */
const TRANSACTION_MS = 2_000
const TRANSACTION_LOOK_MS = 100

/** As `reader.bounds`, when the transactions that are open now have ended, if they soon do. What is written meanwhile is left out. */
export async function boundsAfterTransactions(
  reader: Pick<LogReader, 'bounds'>,
  topics: readonly string[],
): Promise<PartitionBounds[]> {
  let bounds = await reader.bounds(topics)
  for (let ms = 0; ms < TRANSACTION_MS && hiddenIn(bounds).length > 0; ms += TRANSACTION_LOOK_MS) {
    await delay(TRANSACTION_LOOK_MS)
    const later = await reader.bounds(topics)
    bounds = bounds.map(({ end, ...range }) => {
      const { to = range.to } = later.find((it) => isSamePartition(it, range)) ?? range
      return end === undefined ? range : { ...range, to: Math.min(Math.max(to, range.to), end), end }
    })
  }
  return bounds
}

/** The ranges hidden by open transactions. Only outcomes can be read there. */
export function hiddenIn(bounds: readonly PartitionBounds[]): PartitionRange[] {
  return bounds
    .map(({ from, to, end = to, ...partition }) => ({ ...partition, from: Math.max(from, to), to: end }))
    .filter(({ from, to }) => from < to)
}

export function describeHidden({ topic, partition, from, to }: PartitionRange): string {
  return `${counted(to - from, 'record')} of ${topic}, partition ${partition}, ${wordFor(to - from, 'is', 'are')} behind an open transaction of another producer: only outcomes among them were read`
}
