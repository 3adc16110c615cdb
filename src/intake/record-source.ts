import type { RecordPosition, TopicPartition, WireRecord } from '../events/wire-record.ts'

/** A partition with where reading it goes on. */
export interface AssignedPartition extends TopicPartition, PositionMetadata {
  readonly position: number
}

/** What may be committed, with the time of the last record that was taken over. */
export type CommittablePosition = RecordPosition & Pick<PositionMetadata, 'recordMs'>

/** A run of records of one partition, in log order. */
export interface RecordBatch<Records extends Iterable<WireRecord> = readonly WireRecord[]>
  extends TopicPartition {
  readonly records: Records
  /** The offset that was asked for; at most the first record's. */
  readonly fetchedOffset: number
  /** The offset after the batch; larger than the last record's plus one where the log has holes. */
  readonly nextOffset: number
  /** Time of the last record. Milliseconds since the epoch. */
  readonly recordMs?: number | undefined
  /** About the memory that its records hold for as long as one of them waits. */
  readonly bytes?: number
  /** The end of the partition when the batch was read. */
  readonly endOffset: number
}

/** Who consumes. None of the calls may throw. */
export interface RecordListener {
  /** Takes records over without waiting for anything: the adapter's loop also sends the heartbeats. */
  onBatch(batch: RecordBatch<Iterable<WireRecord>>): void
  /**
   * The partitions are about to be dealt out anew. Resolves when what is in flight is settled as far as possible; the group waits.
   * What is committable then is committed before the partitions are given up.
   */
  onRevoking(): Promise<void>
  /**
   * The membership has ended without that, in this replica's absence perhaps: the partitions may be somebody else's
   * already. The next assignment tells.
   */
  onLost(): void
  /** The whole new assignment. Records of partitions not in it come to somebody else from now on. */
  onAssigned(partitions: readonly AssignedPartition[]): void
  /**
   * The log does not hold what comes next in a partition of the assignment: reading goes on further on, or anew where the
   * topic is another one, or has become shorter.
   */
  onMoved(partition: AssignedPartition): void
  /** For a partition that was kept: the offset of the record that must come next; `undefined` when it is not known here. */
  nextWanted(partition: TopicPartition): number | undefined
  /** What may be committed now for every partition of the assignment. */
  committable(): readonly CommittablePosition[]
}

/** A member of a consumer group. */
export interface RecordSource {
  /** Joins the group and consumes until stopped; resolves when the first assignment is there. */
  start(listener: RecordListener, signal: AbortSignal): Promise<void>
  pause(partition: TopicPartition): void
  resume(partition: TopicPartition): void
  /** The next batch of the partition begins at this offset; one that was fetched before may arrive first. */
  seek(partition: TopicPartition, offset: number): void
  /** Commits what the listener says is committable. One commit is in flight at a time; throws when it is refused. */
  commit(): Promise<void>
  /** Commits once more, leaves the group and disconnects. */
  stop(): Promise<void>
}

/** What a commit says of its partition beside the offset. */
export interface PositionMetadata {
  /** The offset from which on this group reads everything; what is before was there before the group. */
  readonly start?: number
  /** Of the topic that the offset belongs to; empty when the broker has no ids. */
  readonly topicId?: string
  /** Time of the last record before that was taken over. Milliseconds since the epoch. */
  readonly recordMs?: number
}
