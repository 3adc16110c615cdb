import { Fifo } from '../lib/fifo.ts'

/** One record whose deliveries are not all settled yet. */
export interface OpenRecord {
  /** One thing more must be settled before the record is. */
  owe(): void
  /** One thing is settled. Calls beyond what is owed are ignored: a fault may settle twice. */
  acknowledge(): void
}

/**
 * Finds the offset that may be committed for one partition: the one after the last record before which everything
 * is settled. Records end in any order; offsets may have holes (compaction, control records).
 *
 * An open record owes one thing from the start, so that it cannot settle before all its deliveries are known.
 */
export class OffsetTracker {
  #committable: number
  #next: number
  readonly #open = new Fifo<Entry>()
  readonly #onAdvance: () => void

  /** `position` is the offset of the next record that will be read; -1 when nothing is known yet. */
  constructor(position: number, onAdvance: () => void = () => undefined) {
    this.#committable = position
    this.#next = position
    this.#onAdvance = onAdvance
  }

  /** What may be committed: the offset of the first record that is not settled, or the next one to be read. */
  get committable(): number {
    return this.#committable
  }

  /** The offset after the last record that was begun or skipped. */
  get next(): number {
    return this.#next
  }

  get openRecords(): number {
    return this.#open.size
  }

  begin(offset: number): OpenRecord {
    const entry = new Entry(offset, () => this.#advance())
    this.#open.push(entry)
    this.#next = offset + 1
    return entry
  }

  /** Nothing before `next` is owed beyond what is open: skipped records, holes, the end of a batch. */
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
