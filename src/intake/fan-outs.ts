import type { OpenDeliveries } from '../delivery/open-deliveries.ts'
import { delay } from '../lib/deferred.ts'
import { Gate } from '../lib/gate.ts'
import { Mutex } from '../lib/mutex.ts'
import type { OpenRecord } from './offset-tracker.ts'
import type { PartitionQueue } from './partition-queue.ts'

export interface FanOutsOptions {
  readonly open: Pick<OpenDeliveries, 'isHalfFull'>
  readonly stopped: AbortSignal
  readonly mutex: Mutex
}

type Queue = Pick<PartitionQueue, 'isOpen' | 'isClosed'>
type Part = () => Promise<'more' | 'done' | 'given-up'>

export interface FanOut {
  readonly queue: Queue
  /** Memory that the record uses. */
  readonly bytes: number
  /** The user or session that is read in parts. */
  readonly subject: string
  /** The trigger's cut-off. Milliseconds since the epoch. */
  readonly untilMs: number
  readonly part: Part
  /** Discards what was read. The next part is the first again. */
  readonly startOver: () => void
}

/** Reads a subject once, for all fan-outs that were requested before it began. */
interface Sweep {
  readonly done: Promise<boolean>
  fanOut: FanOut
  next?: Sweep
}

/** Above it intake accepts no more records. */
const HELD_BYTES_MAX = 16 * 1_024 * 1_024
/** Approximate memory of a sweep: a page of session ids. */
const PAGE_BYTES = 16 * 1_024
/** Approximate memory of a record beside its content. */
const RECORD_BYTES = 1_024
const LOOK_MS = 5
/** Above so many deliveries of their own, fan-outs wait: other deliveries queue behind them. */
const OPEN_MAX = 16
/** The limit while nobody else sends. */
const OPEN_ALONE_MAX = 128
const ALONE_MS = 1_000

/**
 * Triggers that end more than fits into one step, such as a user with thousands of sessions. Their parts run one at a time,
 * between the records of others, and only while few of their deliveries are under way. The trigger stays open until the last
 * part. Repeated sign-outs of a user share the next sweep, which uses the latest cut-off and so finds everything that any of
 * them covers.
 */
export class FanOuts {
  /** Open while more fan-outs may start; intake waits for it. */
  readonly room = new Gate(true)
  readonly #options: FanOutsOptions
  /** At most one fan-out waits for the mutex of intake. */
  readonly #ownMutex = new Mutex()
  readonly #sweeps = new WeakMap<Queue, Map<string, Sweep>>()
  #heldBytes = 0
  #underWay = 0
  #othersAtMs = Number.NEGATIVE_INFINITY

  constructor(options: FanOutsOptions) {
    this.#options = options
  }

  /** Records that somebody else has deliveries to send. */
  noteOtherTraffic(): void {
    this.#othersAtMs = performance.now()
  }

  /** Wraps a record to count the deliveries of its later parts. */
  counted(record: OpenRecord): OpenRecord {
    return {
      owe: () => {
        this.#underWay++
        record.owe()
      },
      acknowledge: () => {
        this.#underWay--
        record.acknowledge()
      },
    }
  }

  /** Calls `part` until there is no more. True then; false when the queue was closed before. */
  async run(fanOut: FanOut): Promise<boolean> {
    const bytes = fanOut.bytes + RECORD_BYTES
    this.#hold(bytes)
    try {
      return await this.#sweepFor(fanOut).done
    } finally {
      this.#hold(-bytes)
    }
  }

  /** A running sweep may have passed registrations that this fan-out covers. A waiting one will read them all. */
  #sweepFor(fanOut: FanOut): Sweep {
    const { queue, subject } = fanOut
    const ofQueue = this.#sweeps.get(queue) ?? new Map<string, Sweep>()
    this.#sweeps.set(queue, ofQueue)
    const running = ofQueue.get(subject)
    if (running !== undefined) fanOut.startOver()
    const waiting = running?.next
    if (waiting !== undefined) {
      if (fanOut.untilMs > waiting.fanOut.untilMs) waiting.fanOut = fanOut
      return waiting
    }
    const done = (running?.done ?? Promise.resolve(true)).then(async () => {
      ofQueue.set(subject, sweep)
      const isDone = await this.#runParts(queue, sweep.fanOut.part)
      if (sweep.next === undefined) ofQueue.delete(subject)
      return isDone
    })
    const sweep: Sweep = { fanOut, done }
    if (running === undefined) ofQueue.set(subject, sweep)
    else running.next = sweep
    return sweep
  }

  async #runParts(queue: Queue, part: Part): Promise<boolean> {
    this.#hold(PAGE_BYTES)
    try {
      for (;;) {
        const result = await this.#runPart(queue, part)
        if (result !== 'more') return result === 'done'
      }
    } finally {
      this.#hold(-PAGE_BYTES)
    }
  }

  #hold(bytes: number): void {
    this.#heldBytes += bytes
    if (this.#heldBytes >= HELD_BYTES_MAX) this.room.close()
    else this.room.open()
  }

  get #isBusy(): boolean {
    const isAlone = performance.now() - this.#othersAtMs > ALONE_MS
    return this.#underWay > (isAlone ? OPEN_ALONE_MAX : OPEN_MAX)
  }

  async #runPart(queue: Queue, part: Part) {
    const { open, stopped, mutex } = this.#options
    const isWanted = () => !queue.isClosed && !stopped.aborted
    const releaseOwn = await this.#ownMutex.acquire()
    try {
      // A held queue may soon be released, or its partition may move to another replica.
      while (isWanted() && (this.#isBusy || open.isHalfFull || !queue.isOpen)) await delay(LOOK_MS, stopped)
      if (!isWanted()) return 'given-up'
      const release = await mutex.acquire()
      try {
        return isWanted() ? await part() : 'given-up'
      } finally {
        release()
      }
    } finally {
      releaseOwn()
    }
  }
}
