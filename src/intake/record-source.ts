import type { RecordPosition, TopicPartition, WireRecord } from '../events/wire-record.ts'

export interface AssignedPartition extends TopicPartition, PositionMetadata {
  readonly position: number
  /** Triggers before it end their sessions without an outcome; `start` unless it says otherwise. */
  readonly silentBefore?: number
}

/** A committable offset, and the time of the last record taken. */
export type CommittablePosition = RecordPosition & Pick<PositionMetadata, 'recordMs'>

/** Consecutive records of one partition, in log order. */
export interface RecordBatch<Records extends Iterable<WireRecord> = readonly WireRecord[]>
  extends TopicPartition {
  readonly records: Records
  /** The requested offset; not above the first record's. */
  readonly fetchedOffset: number
  /** The offset after the batch. Larger than the last record's plus one if the log has gaps. */
  readonly nextOffset: number
  /** Time of the last record. Milliseconds since the epoch. */
  readonly recordMs?: number | undefined
  /** Approximate memory that its records use as long as one of them is queued. */
  readonly bytes?: number
  /** The end of the partition when the batch was read. */
  readonly endOffset: number
}

/** A consumer's listener. No method may throw. */
export interface RecordListener {
  /** Takes records over without waiting: the adapter's loop also sends heartbeats. */
  onBatch(batch: RecordBatch<Iterable<WireRecord>>): void
  /**
   * A rebalance begins. Resolves when as much as possible of the work in flight is settled; the group waits. Committable
   * offsets are committed before the partitions are given up.
   */
  onRevoking(): Promise<void>
  /**
   * The membership ended without `onRevoking`, so other replicas may own the partitions already. The next assignment decides.
   */
  onLost(): void
  /** The complete new assignment. Other replicas now own all other partitions. */
  onAssigned(partitions: readonly AssignedPartition[]): void
  /**
   * The log does not hold the next offset of an assigned partition. Reading continues further on, or from the start of a
   * recreated or truncated topic.
   */
  onMoved(partition: AssignedPartition): void
  /** The next offset to read of a kept partition; `undefined` if it is unknown. */
  nextWanted(partition: TopicPartition): number | undefined
  committable(): readonly CommittablePosition[]
}

export interface RecordSource {
  /** Joins the group and consumes until stopped. Resolves with the first assignment. */
  start(listener: RecordListener, signal: AbortSignal): Promise<void>
  pause(partition: TopicPartition): void
  resume(partition: TopicPartition): void
  /** The next batch of the partition begins at this offset. A batch that was fetched before may arrive first. */
  seek(partition: TopicPartition, offset: number): void
  /** Commits the listener's committable offsets. One commit is in flight at a time. Throws when it is refused. */
  commit(): Promise<void>
  /** Makes a last commit, leaves the group and disconnects. */
  stop(): Promise<void>
}

/** What a commit stores beside the offset. */
export interface PositionMetadata {
  /** Where the group began to read everything. Earlier records were there before the group. */
  readonly start?: number
  /** The topic that the offset belongs to. Empty if the broker has no ids. */
  readonly topicId?: string
  /** Time of the last record taken before it. Milliseconds since the epoch. */
  readonly recordMs?: number
  /** The proof of the store with which the records before it were settled. */
  readonly epoch?: string
  /** The pattern that brings the topic: a sign that the group follows it, should Redis be lost. */
  readonly pattern?: string
}
