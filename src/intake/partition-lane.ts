import type { DecodeResult } from '../events/decoding/decode-record.ts'
import { isOutcome } from '../events/outcome.ts'
import type { TopicPartition, WireRecord } from '../events/wire-record.ts'
import { Fifo } from '../lib/fifo.ts'
import { OffsetTracker, type OpenRecord } from './offset-tracker.ts'
import type { AssignedPartition, RecordBatch } from './record-source.ts'

/** Records that may wait here; beyond that the partition is paused, and resumed at half. */
const QUEUED_RECORDS_MAX = 100

export interface LaneOptions extends AssignedPartition {
  /** Works off the records of one partition, in order. Must not throw. */
  readonly work: (lane: PartitionLane) => Promise<void>
  readonly pause: (partition: TopicPartition) => void
  readonly resume: (partition: TopicPartition) => void
  readonly onAdvance: () => void
  readonly onOutcomeSkipped: () => void
  /** All records of a batch are handed on, and do not hold its memory any more. */
  readonly onDrained?: () => void
  /** A batch does not follow on what was taken: it is left out, and what comes before it is to be fetched. */
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

/** What is left of a record that says more than is taken at once. */
interface RestOfRecord {
  readonly open: OpenRecord
  readonly results: readonly DecodeResult[]
}

/**
 * One partition of the assignment: its records that wait to be worked off, and what of it may be committed. A lane
 * belongs to one assignment; when that ends it is closed, and what its deliveries settle later moves nothing.
 */
export class PartitionLane {
  readonly topic: string
  readonly partition: number
  readonly tracker: OffsetTracker
  /** Of the topic that it reads; `undefined` where it is not known. */
  readonly topicId: string | undefined
  /** Where the group first started in it; `undefined` where it is not known. */
  readonly start: number | undefined
  endOffset = -1
  /** Time of the last record that was taken. Milliseconds since the epoch. */
  recordMs: number | undefined
  /** About the memory that what waits here holds. */
  queuedBytes = 0
  readonly #queue = new Fifo<Queued | Later>()
  readonly #options: LaneOptions
  #isPaused = false
  #isClosed = false
  #isHeld = false
  /** In the queue. */
  #laters = 0
  #received: number
  #working: Promise<void> | undefined

  constructor(options: LaneOptions) {
    this.#options = options
    this.topic = options.topic
    this.partition = options.partition
    this.topicId = options.topicId
    this.start = options.start
    this.recordMs = options.recordMs
    this.#received = options.position
    this.tracker = new OffsetTracker(options.position, options.onAdvance)
  }

  /** Holds more than it wants: its partition is not fetched. */
  get isPaused(): boolean {
    return this.#isPaused
  }

  /** Something may be taken from it and handed on. */
  get isOpen(): boolean {
    return !this.#isClosed && !this.#isHeld
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  /** The offset of the next record that is wanted from the log. */
  get nextWanted(): number {
    return this.#received
  }

  get queuedRecords(): number {
    return this.#queue.size
  }

  /** Resolves when everything that was taken over has been handed on. */
  async idle(): Promise<void> {
    await this.#working
  }

  take(batch: RecordBatch<Iterable<WireRecord>>): void {
    if (this.#isClosed) return
    // Taking it would leave a hole that nobody reads again.
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

  /** What comes next begins at this offset: there is nothing before it but what was taken. */
  skipTo(offset: number): void {
    this.#advanceTo(offset)
    this.#startWork()
  }

  /** Hands nothing more on until it is released: the partition may be taken away. */
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

  /** It comes next. */
  putBack(record: WireRecord, rest: RestOfRecord): void {
    if (!this.#isClosed) this.#queue.unshift({ record, rest })
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

  /** The partition belongs to somebody else now, who will read from the committed offset. */
  close(): void {
    this.#isClosed = true
    this.#queue.clear()
    this.#laters = 0
    this.queuedBytes = 0
  }
}
