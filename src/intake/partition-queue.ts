import type { DecodeResult } from '../events/decoding/decode-record.ts'
import { isOutcome } from '../events/outcome.ts'
import type { TopicPartition, WireRecord } from '../events/wire-record.ts'
import { Fifo } from '../lib/fifo.ts'
import { OffsetTracker, type OpenRecord } from './offset-tracker.ts'
import type { AssignedPartition, RecordBatch } from './record-source.ts'

/** Beyond so many queued records the partition is paused; at half it is resumed. */
const QUEUED_RECORDS_MAX = 100

export interface PartitionQueueOptions extends AssignedPartition {
  /** Processes the records of one partition in order. Must not throw. */
  readonly work: (queue: PartitionQueue) => Promise<void>
  readonly pause: (partition: TopicPartition) => void
  readonly resume: (partition: TopicPartition) => void
  readonly onAdvance: () => void
  readonly onOutcomeSkipped: () => void
  /** All records of a batch have left the queue and free its memory. */
  readonly onDrained?: () => void
  /** A batch left a gap, so it was dropped. The caller fetches from `wanted`. */
  readonly onGap: (wanted: number, fetched: number) => void
}

type Queued =
  | { readonly record: WireRecord; readonly rest?: RestOfRecord }
  | { readonly skipTo: number; readonly bytes: number }

/** Records that are not looked at before it is their turn: what is made of one to wait takes more memory than its bytes. */
interface Later {
  readonly later: Iterator<WireRecord>
  /** The first that was not here before. */
  readonly from: number
}

/** The results of a record that are left for later batches. */
interface RestOfRecord {
  readonly open: OpenRecord
  readonly results: readonly DecodeResult[]
}

/**
 * The queued records of one assigned partition and its committable offset. A queue belongs to one assignment. After its end
 * the queue is closed, and deliveries that settle later have no effect on it.
 */
export class PartitionQueue {
  readonly topic: string
  readonly partition: number
  readonly tracker: OffsetTracker
  /** The id of the topic; `undefined` if it is unknown. */
  readonly topicId: string | undefined
  /** Where the group first started in the partition; `undefined` if it is unknown. */
  readonly start: number | undefined
  /** Triggers before it end their sessions without an outcome. */
  readonly silentBefore: number
  endOffset = -1
  /** Time of the last record taken. Milliseconds since the epoch. */
  recordMs: number | undefined
  /** Approximate memory of the queued records. */
  queuedBytes = 0
  readonly #queue = new Fifo<Queued | Later>()
  readonly #options: PartitionQueueOptions
  #isPaused = false
  #isClosed = false
  #isHeld = false
  /** In the queue. */
  #laters = 0
  #received: number
  #working: Promise<void> | undefined

  constructor(options: PartitionQueueOptions) {
    this.#options = options
    this.topic = options.topic
    this.partition = options.partition
    this.topicId = options.topicId
    this.start = options.start
    this.silentBefore = options.silentBefore ?? options.start ?? 0
    this.recordMs = options.recordMs
    this.#received = options.position
    this.tracker = new OffsetTracker(options.position, options.onAdvance)
  }

  /** The queue is full, so its partition is not fetched. */
  get isPaused(): boolean {
    return this.#isPaused
  }

  get isOpen(): boolean {
    return !this.#isClosed && !this.#isHeld
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  get nextWanted(): number {
    return this.#received
  }

  get queuedRecords(): number {
    return this.#queue.size
  }

  /** Resolves when the queue has no more work. */
  async idle(): Promise<void> {
    await this.#working
  }

  take(batch: RecordBatch<Iterable<WireRecord>>): void {
    if (this.#isClosed) return
    // Accepting it would lose the records of the gap.
    if (batch.fetchedOffset > this.#received) {
      this.#options.onGap(this.#received, batch.fetchedOffset)
      return
    }
    this.endOffset = batch.endOffset
    this.recordMs = batch.recordMs ?? this.recordMs
    const later: Later = { later: batch.records[Symbol.iterator](), from: this.#received }
    let record: WireRecord | undefined
    // What does not fit any more comes behind what is later already.
    while (this.#laters === 0 && this.#queue.size <= QUEUED_RECORDS_MAX) {
      record = this.#nextOf(later)
      if (record === undefined) break
      this.#queue.push({ record })
    }
    if (this.#laters > 0 || record !== undefined) {
      this.#queue.push(later)
      this.#laters++
    }
    this.#advanceTo(batch.nextOffset, batch.bytes)
    if (this.#queue.size > QUEUED_RECORDS_MAX && !this.#isPaused) {
      this.#isPaused = true
      this.#options.pause(this)
    }
    this.#startWork()
  }

  /** Moves on to an offset. There are no records before it but those that were taken. */
  skipTo(offset: number): void {
    this.#advanceTo(offset)
    this.#startWork()
  }

  /** Stops processing until `release`: the partition may be revoked. */
  hold(): void {
    this.#isHeld = true
  }

  release(): void {
    this.#isHeld = false
    this.#startWork()
  }

  next(): Queued | undefined {
    const item = this.#shift()
    if (item !== undefined && 'skipTo' in item && item.bytes > 0) {
      this.queuedBytes -= item.bytes
      this.#options.onDrained?.()
    }
    const isHalf = this.#laters === 0 && this.#queue.size <= QUEUED_RECORDS_MAX / 2
    if (this.#isPaused && isHalf && !this.#isClosed) {
      this.#isPaused = false
      this.#options.resume(this)
    }
    return item
  }

  #shift(): Queued | undefined {
    for (let head = this.#queue.peek(); head !== undefined && 'later' in head; head = this.#queue.peek()) {
      const record = this.#nextOf(head)
      if (record !== undefined) return { record }
      this.#queue.shift()
      this.#laters--
    }
    return this.#queue.shift() as Queued | undefined
  }

  #nextOf({ later, from }: Later): WireRecord | undefined {
    for (let next = later.next(); !next.done; next = later.next()) {
      const record = next.value
      // After a rebalance the log may bring records again that are here already.
      if (record.offset < from) continue
      // The relay's own outcomes are most of the topic; they must not fill the queue before what counts.
      if (!isOutcome(record)) return record
      this.#options.onOutcomeSkipped()
    }
    return undefined
  }

  /** Makes a record, or the rest of it, the next item. */
  putBack(record: WireRecord, rest?: RestOfRecord): void {
    if (!this.#isClosed) this.#queue.unshift({ record, ...(rest !== undefined && { rest }) })
  }

  #advanceTo(offset: number, bytes = 0): void {
    this.#received = Math.max(this.#received, offset)
    this.queuedBytes += bytes
    this.#queue.push({ skipTo: offset, bytes })
  }

  #startWork(): void {
    if (this.#queue.size === 0 || !this.isOpen || this.#working !== undefined) return
    this.#working = this.#options.work(this).finally(() => {
      this.#working = undefined
      this.#startWork()
    })
  }

  /** Another replica now owns the partition and reads from the committed offset. */
  close(): void {
    this.#isClosed = true
    this.#queue.clear()
    this.#laters = 0
    this.queuedBytes = 0
  }
}
