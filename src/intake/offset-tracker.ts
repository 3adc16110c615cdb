import { Fifo } from '../lib/fifo.ts'

/** A record with deliveries that are not settled yet. */
export interface OpenRecord {
  /** Adds one thing that must settle before the record does. */
  owe(): void
  /** One thing is settled. Ignores calls beyond what is owed, because a fault may acknowledge twice. */
  acknowledge(): void
}

/**
 * Finds the offset to commit for one partition: the one up to which every record is settled. Records settle in any order.
 * Offsets may have gaps (compaction, control records).
 *
 * An open record owes one thing from the start, so it cannot settle before all its deliveries are known.
 */
export class OffsetTracker {
  #committable: number
  #next: number
  readonly #open = new Fifo<Entry>()
  readonly #onAdvance: () => void
  #unsettled = 0
  #deferred = 0

  /** `position`: the offset of the next record to read; -1 when it is unknown. */
  constructor(position: number, onAdvance: () => void = () => undefined) {
    this.#committable = position
    this.#next = position
    this.#onAdvance = onAdvance
  }

  /** The committable offset: that of the first open record, else of the next record to read. */
  get committable(): number {
    return this.#committable
  }

  /** The offset after the last begun or skipped record. */
  get next(): number {
    return this.#next
  }

  /** Records that have begun and are not settled. Deferred ones have not. */
  get openRecords(): number {
    return this.#unsettled - this.#deferred
  }

  /** So many more, or fewer, of the records wait for their first step. */
  defer(change: 1 | -1): void {
    this.#deferred += change
  }

  begin(offset: number): OpenRecord {
    const entry = new Entry(offset, () => {
      this.#unsettled--
      this.#advance()
    })
    this.#unsettled++
    this.#open.push(entry)
    this.#next = offset + 1
    return entry
  }

  /** Marks everything before `next` that is not open as settled: skipped records, gaps, the end of a batch. */
  skipTo(next: number): void {
    if (next <= this.#next) return
    this.#next = next
    if (this.#open.size === 0) this.#moveTo(next)
  }

  #advance(): void {
    let head = this.#open.peek()
    while (head?.isSettled) {
      this.#open.shift()
      head = this.#open.peek()
    }
    this.#moveTo(head === undefined ? this.#next : head.offset)
  }

  #moveTo(offset: number): void {
    if (offset === this.#committable) return
    this.#committable = offset
    this.#onAdvance()
  }
}

class Entry implements OpenRecord {
  readonly offset: number
  #owed = 1
  readonly #onSettled: () => void

  constructor(offset: number, onSettled: () => void) {
    this.offset = offset
    this.#onSettled = onSettled
  }

  get isSettled(): boolean {
    return this.#owed === 0
  }

  owe(): void {
    this.#owed++
  }

  acknowledge(): void {
    if (this.#owed === 0) return
    this.#owed--
    if (this.#owed === 0) this.#onSettled()
  }
}
