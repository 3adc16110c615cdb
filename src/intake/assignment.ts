import type { TopicPartition, WireRecord } from '../events/wire-record.ts'
import { delay, settledWithin } from '../lib/deferred.ts'
import type { AppliedPosition } from '../registry/epoch-store.ts'
import { PartitionQueue } from './partition-queue.ts'
import type {
  AssignedPartition,
  CommittablePosition,
  RecordBatch,
  RecordListener,
  RecordSource,
} from './record-source.ts'

export interface AssignmentOptions {
  readonly source: Pick<RecordSource, 'pause' | 'resume' | 'seek' | 'commit'>
  readonly work: (queue: PartitionQueue) => Promise<void>
  readonly commitIntervalMs: number
  /**
   * What is settled counts as before the start of the group. In shadow mode, so that no relay in live mode sends it later,
   * whatever happens to Redis.
   */
  readonly doesStartMove?: boolean
  /** Secures deliveries under way before a rebalance takes their records away. */
  readonly handOver?: () => Promise<void>
  readonly onCommitFailed: (error: unknown) => void
  readonly onCommitted?: () => void
  readonly onOutcomeSkipped: () => void
  readonly onGap: (gap: FetchGap) => void
  /** The partitions may be revoked now, up to their settled offsets. */
  readonly onRevoked: () => Promise<void>
}

/** A batch that left a gap after the previous one. `wanted` and `fetched` are offsets. */
export interface FetchGap extends TopicPartition {
  readonly wanted: number
  readonly fetched: number
}

/** How long a rebalance waits for deliveries under way. Well below the time after which the group evicts a member. */
const REVOKE_DRAIN_MS = 3_000
const HAND_OVER_MS_MAX = 1_000
const REVOKE_LOOK_MS = 10
const REVOKED_MS_MAX = 1_000
/**
 * What may wait in all queues together. Beyond it fetching pauses until half of it is processed. A queue's own limit counts
 * records, but a few records may use as much memory as thousands.
 */
const QUEUED_BYTES_MAX = 6 * 1_024 * 1_024

/** The partitions assigned to this replica, each with its queue, and their commits. */
export class Assignment implements RecordListener {
  readonly #queues = new Map<string, PartitionQueue>()
  readonly #options: AssignmentOptions
  #commitTimer: NodeJS.Timeout | undefined
  #isFull = false
  #isRevoking = false
  #isCommitting = false

  constructor(options: AssignmentOptions) {
    this.#options = options
  }

  get queues(): Iterable<PartitionQueue> {
    return this.#queues.values()
  }

  onBatch(batch: RecordBatch<Iterable<WireRecord>>): void {
    this.#queues.get(nameOf(batch))?.take(batch)
    if (this.#isFull || this.#queuedBytes <= QUEUED_BYTES_MAX) return
    this.#isFull = true
    for (const queue of this.#queues.values()) if (!queue.isPaused) this.#options.source.pause(queue)
  }

  /**
   * Another replica that reads a record while its deliveries are under way here sends them twice. So the rebalance waits a
   * moment for started records. The next owner processes the others.
   */
  async onRevoking(): Promise<void> {
    this.#isRevoking = true
    const until = performance.now() + REVOKE_DRAIN_MS
    for (const queue of this.#queues.values()) queue.hold()
    while (performance.now() < until && this.#hasOpenRecords()) await delay(REVOKE_LOOK_MS)
    if (this.#hasOpenRecords()) await this.#handOver()
    await settledWithin(this.#options.onRevoked(), REVOKED_MS_MAX)
  }

  /** The next owner reads everything that has not started, and may have begun. */
  onLost(): void {
    for (const queue of this.#queues.values()) queue.hold()
  }

  onAssigned(partitions: readonly AssignedPartition[]): void {
    this.#isRevoking = false
    const kept = new Set<string>()
    for (const partition of partitions) {
      const { position } = partition
      const name = nameOf(partition)
      kept.add(name)
      const queue = this.#queues.get(name)
      // Another replica may have owned the partition in between and committed a later position.
      if (queue !== undefined && position <= queue.tracker.committable && isSameTopic(queue, partition)) {
        // No commit is made between two memberships.
        if (position < queue.tracker.committable) this.#scheduleCommit()
        queue.release()
        // A new consumer does not know which partitions are paused.
        if (queue.isPaused || this.#isFull) this.#options.source.pause(partition)
        continue
      }
      this.#replaceQueue(partition)
    }
    for (const [name, queue] of this.#queues) {
      if (kept.has(name)) continue
      queue.close()
      this.#queues.delete(name)
    }
    this.#fetchAgain()
  }

  onMoved(partition: AssignedPartition): void {
    const queue = this.#queues.get(nameOf(partition))
    if (queue !== undefined && partition.position >= queue.nextWanted && isSameTopic(queue, partition)) {
      queue.skipTo(partition.position)
      return
    }
    this.#replaceQueue(partition)
    this.#fetchAgain()
    // The position may be lower than the committed one, and without a record nothing would trigger a commit.
    this.#scheduleCommit()
  }

  nextWanted(partition: TopicPartition): number | undefined {
    return this.#queues.get(nameOf(partition))?.nextWanted
  }

  committable(): CommittablePosition[] {
    const { doesStartMove } = this.#options
    return [...this.#queues.values()].map((queue) => {
      const { topic, partition, recordMs, tracker } = queue
      return {
        topic,
        partition,
        offset: tracker.committable,
        ...(recordMs && { recordMs }),
        ...(doesStartMove === true && { start: this.#startOf(queue) }),
      }
    })
  }

  /** The settled offset of each partition, as it is kept in the store. */
  applied(): AppliedPosition[] {
    return [...this.#queues.values()].map((queue) => {
      const { topic, partition, topicId = '', tracker } = queue
      return { topic, partition, topicId, start: this.#startOf(queue), offset: tracker.committable }
    })
  }

  #startOf({ start = 0, tracker }: PartitionQueue): number {
    return this.#options.doesStartMove === true ? Math.max(start, tracker.committable) : start
  }

  /** What commits say beside the offsets has changed. */
  commitSoon(): void {
    if (this.#queues.size > 0) this.#scheduleCommit()
  }

  /** Accepts no more records. Resolves when no queue works any more, or after `ms`. */
  async stop(ms: number): Promise<void> {
    clearTimeout(this.#commitTimer)
    const queues = [...this.#queues.values()]
    for (const queue of queues) {
      queue.hold()
      this.#options.source.pause(queue)
    }
    await settledWithin(Promise.all(queues.map((queue) => queue.idle())), ms)
  }

  /** If it fails, the next owner repeats the deliveries under way, as after a crash. */
  async #handOver(): Promise<void> {
    const { handOver } = this.#options
    if (handOver !== undefined)
      await settledWithin(
        handOver().catch(() => undefined),
        HAND_OVER_MS_MAX,
      )
  }

  #hasOpenRecords(): boolean {
    for (const { tracker } of this.#queues.values()) if (tracker.openRecords > 0) return true
    return false
  }

  #replaceQueue(partition: AssignedPartition): void {
    const name = nameOf(partition)
    this.#queues.get(name)?.close()
    this.#queues.set(name, this.#createQueue(partition))
    if (this.#isFull) this.#options.source.pause(partition)
    else this.#options.source.resume(partition)
  }

  get #queuedBytes(): number {
    let bytes = 0
    for (const queue of this.#queues.values()) bytes += queue.queuedBytes
    return bytes
  }

  #fetchAgain(): void {
    if (!this.#isFull || this.#queuedBytes > QUEUED_BYTES_MAX / 2) return
    this.#isFull = false
    for (const queue of this.#queues.values()) if (!queue.isPaused) this.#options.source.resume(queue)
  }

  #createQueue(assigned: AssignedPartition): PartitionQueue {
    const { onGap, onOutcomeSkipped, source, work } = this.#options
    const { topic, partition } = assigned
    return new PartitionQueue({
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

  /** One timer for all partitions, and none while nothing advances. */
  #scheduleCommit(): void {
    if (this.#commitTimer !== undefined) return
    const { commitIntervalMs, onCommitFailed, onCommitted, source } = this.#options
    this.#commitTimer = setTimeout(() => {
      this.#commitTimer = undefined
      // The rebalance itself commits after its wait.
      if (this.#isRevoking) return
      // The commit under way does not include what settled since it began.
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

/** A missing id counts as the same topic. */
function isSameTopic(queue: PartitionQueue, { topicId }: AssignedPartition): boolean {
  return !queue.topicId || !topicId || queue.topicId === topicId
}

function nameOf({ topic, partition }: TopicPartition): string {
  return `${topic}/${partition}`
}
