import type { TopicPartition, WireRecord } from '../events/wire-record.ts'
import { delay, settledWithin } from '../lib/deferred.ts'
import type { AppliedPosition } from '../registry/epoch-store.ts'
import { PartitionLane } from './partition-lane.ts'
import type {
  AssignedPartition,
  CommittablePosition,
  RecordBatch,
  RecordListener,
  RecordSource,
} from './record-source.ts'

export interface AssignmentOptions {
  readonly source: Pick<RecordSource, 'pause' | 'resume' | 'seek' | 'commit'>
  readonly work: (lane: PartitionLane) => Promise<void>
  readonly commitIntervalMs: number
  /** Makes what is still under way safe without its records; a rebalance takes them away. */
  readonly handOver?: () => Promise<void>
  readonly onCommitFailed: (error: unknown) => void
  readonly onCommitted?: () => void
  readonly onOutcomeSkipped: () => void
  readonly onGap: (gap: FetchGap) => void
  /** The partitions may be given up now, as far as they are settled. */
  readonly onRevoked: () => Promise<void>
}

/** A batch that did not follow on the last one. Both are offsets. */
export interface FetchGap extends TopicPartition {
  readonly wanted: number
  readonly fetched: number
}

/** How long a rebalance waits for deliveries under way; well below the time in which the group gives members up. */
const REVOKE_DRAIN_MS = 3_000
const HAND_OVER_MS_MAX = 1_000
const REVOKE_LOOK_MS = 10
const REVOKED_MS_MAX = 1_000
/**
 * What may wait in all lanes together; beyond that nothing is fetched until half of it is handed on. A lane by itself is
 * full by the number of its records, and a few records may hold as much memory as thousands.
 */
const QUEUED_BYTES_MAX = 6 * 1_024 * 1_024

/** The partitions that belong to this replica now, each with its lane; and their commits. */
export class Assignment implements RecordListener {
  readonly #lanes = new Map<string, PartitionLane>()
  readonly #options: AssignmentOptions
  #commitTimer: NodeJS.Timeout | undefined
  #isFull = false
  #isRevoking = false
  #isCommitting = false

  constructor(options: AssignmentOptions) {
    this.#options = options
  }

  get lanes(): Iterable<PartitionLane> {
    return this.#lanes.values()
  }

  onBatch(batch: RecordBatch<Iterable<WireRecord>>): void {
    this.#lanes.get(nameOf(batch))?.take(batch)
    if (this.#isFull || this.#queuedBytes <= QUEUED_BYTES_MAX) return
    this.#isFull = true
    for (const lane of this.#lanes.values()) if (!lane.isPaused) this.#options.source.pause(lane)
  }

  /**
   * A record that another replica reads again while its deliveries are under way here is sent twice. So the group
   * waits a moment for what has been started; what has not been started is left to the next owner.
   */
  async onRevoking(): Promise<void> {
    this.#isRevoking = true
    const until = performance.now() + REVOKE_DRAIN_MS
    for (const lane of this.#lanes.values()) lane.hold()
    while (performance.now() < until && this.#hasOpenRecords()) await delay(REVOKE_LOOK_MS)
    if (this.#hasOpenRecords()) await this.#handOver()
    await settledWithin(this.#options.onRevoked(), REVOKED_MS_MAX)
  }

  /** What has not been started is left to the next owner, who reads it again and may be at it by now. */
  onLost(): void {
    for (const lane of this.#lanes.values()) lane.hold()
  }

  onAssigned(partitions: readonly AssignedPartition[]): void {
    this.#isRevoking = false
    const kept = new Set<string>()
    for (const partition of partitions) {
      const { position } = partition
      const name = nameOf(partition)
      kept.add(name)
      const lane = this.#lanes.get(name)
      // Somebody else may have been the owner in between, and have come further.
      if (lane !== undefined && position <= lane.tracker.committable && isSameTopic(lane, partition)) {
        // Nothing is committed between two memberships.
        if (position < lane.tracker.committable) this.#scheduleCommit()
        lane.release()
        // The consumer may be another one, which knows nothing of it.
        if (lane.isPaused || this.#isFull) this.#options.source.pause(partition)
        continue
      }
      this.#replaceLane(partition)
    }
    for (const [name, lane] of this.#lanes) {
      if (kept.has(name)) continue
      lane.close()
      this.#lanes.delete(name)
    }
    this.#fetchAgain()
  }

  onMoved(partition: AssignedPartition): void {
    const lane = this.#lanes.get(nameOf(partition))
    if (lane !== undefined && partition.position >= lane.nextWanted && isSameTopic(lane, partition)) {
      lane.skipTo(partition.position)
      return
    }
    this.#replaceLane(partition)
    this.#fetchAgain()
    // It may be lower than what was committed, and without a record nothing would advance.
    this.#scheduleCommit()
  }

  nextWanted(partition: TopicPartition): number | undefined {
    return this.#lanes.get(nameOf(partition))?.nextWanted
  }

  committable(): CommittablePosition[] {
    return [...this.#lanes.values()].map(({ topic, partition, recordMs, tracker }) => ({
      topic,
      partition,
      offset: tracker.committable,
      ...(recordMs && { recordMs }),
    }))
  }

  /** Up to where the partitions are settled here, with what is kept beside it. */
  applied(): AppliedPosition[] {
    return [...this.#lanes.values()].map(({ topic, partition, start = 0, topicId = '', tracker }) => ({
      topic,
      partition,
      start,
      topicId,
      offset: tracker.committable,
    }))
  }

  /** Takes nothing more over; resolves when no lane works any more, or after `ms`. */
  async stop(ms: number): Promise<void> {
    clearTimeout(this.#commitTimer)
    const lanes = [...this.#lanes.values()]
    for (const lane of lanes) {
      lane.hold()
      this.#options.source.pause(lane)
    }
    await settledWithin(Promise.all(lanes.map((lane) => lane.idle())), ms)
  }

  /** Should it fail, the next owner sends again what is under way here, as after a crash. */
  async #handOver(): Promise<void> {
    const { handOver } = this.#options
    if (handOver !== undefined)
      await settledWithin(
        handOver().catch(() => undefined),
        HAND_OVER_MS_MAX,
      )
  }

  #hasOpenRecords(): boolean {
    for (const { tracker } of this.#lanes.values()) if (tracker.openRecords > 0) return true
    return false
  }

  #replaceLane(partition: AssignedPartition): void {
    const name = nameOf(partition)
    this.#lanes.get(name)?.close()
    this.#lanes.set(name, this.#createLane(partition))
    if (this.#isFull) this.#options.source.pause(partition)
    else this.#options.source.resume(partition)
  }

  get #queuedBytes(): number {
    let bytes = 0
    for (const lane of this.#lanes.values()) bytes += lane.queuedBytes
    return bytes
  }

  #fetchAgain(): void {
    if (!this.#isFull || this.#queuedBytes > QUEUED_BYTES_MAX / 2) return
    this.#isFull = false
    for (const lane of this.#lanes.values()) if (!lane.isPaused) this.#options.source.resume(lane)
  }

  #createLane(assigned: AssignedPartition): PartitionLane {
    const { onGap, onOutcomeSkipped, source, work } = this.#options
    const { topic, partition } = assigned
    return new PartitionLane({
      ...assigned,
      onGap: (wanted, fetched) => {
        source.seek(assigned, wanted)
        onGap({ topic, partition, wanted, fetched })
      },
      work,
      pause: (it) => source.pause(it),
      resume: (it) => {
        if (!this.#isFull) source.resume(it)
      },
      onDrained: () => this.#fetchAgain(),
      onAdvance: () => this.#scheduleCommit(),
      onOutcomeSkipped,
    })
  }

  /** One timer for all partitions, and none when nothing moves. */
  #scheduleCommit(): void {
    if (this.#commitTimer !== undefined) return
    const { commitIntervalMs, onCommitFailed, onCommitted, source } = this.#options
    this.#commitTimer = setTimeout(() => {
      this.#commitTimer = undefined
      // The rebalance commits by itself when it has waited long enough.
      if (this.#isRevoking) return
      // What is settled while a commit is under way is not in it.
      if (this.#isCommitting) return this.#scheduleCommit()
      this.#isCommitting = true
      source.commit().then(
        () => {
          this.#isCommitting = false
          onCommitted?.()
        },
        (error: unknown) => {
          this.#isCommitting = false
          onCommitFailed(error)
          this.#scheduleCommit()
        },
      )
    }, commitIntervalMs)
  }
}

/** Where one of the ids is not known they are taken to be. */
function isSameTopic(lane: PartitionLane, { topicId }: AssignedPartition): boolean {
  return !lane.topicId || !topicId || lane.topicId === topicId
}

function nameOf({ topic, partition }: TopicPartition): string {
  return `${topic}/${partition}`
}
