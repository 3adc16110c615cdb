import type { OpenDeliveries } from '../delivery/open-deliveries.ts'
import { delay } from '../lib/deferred.ts'
import { Gate } from '../lib/gate.ts'
import { Mutex } from '../lib/mutex.ts'
import type { OpenRecord } from './offset-tracker.ts'
import type { PartitionQueue } from './partition-queue.ts'

export interface FanOutsOptions {
  readonly open: Pick<OpenDeliveries, 'isHalfFull'>
  readonly stopped: AbortSignal
  /** Those of all intake. */
  readonly mutex: Mutex
}

type Queue = Pick<PartitionQueue, 'isOpen' | 'isClosed'>
type Part = () => Promise<'more' | 'done' | 'given-up'>

export interface FanOut {
  /** Of the record that asks for it. */
  readonly queue: Queue
  /** Memory that the record holds. */
  readonly bytes: number
  /** What is gone through: a user's sessions, or a session's registrations. */
  readonly subject: string
  /** The trigger's cut-off. Milliseconds since the epoch. */
  readonly untilMs: number
  readonly part: Part
  /** Forgets what was read: the first part is asked for anew. */
  readonly startOver: () => void
}

/** Goes through its subject once, for all fan-outs that asked for it before it began. */
interface Sweep {
  readonly done: Promise<boolean>
  fanOut: FanOut
  /** The next of the same subject. */
  next?: Sweep
}

/** Above it no further record is taken. */
const HELD_BYTES_MAX = 16 * 1_024 * 1_024
/** About what a sweep remembers: a page of session ids. */
const PAGE_BYTES = 16 * 1_024
/** And a record beside its content. */
const RECORD_BYTES = 1_024
const LOOK_MS = 5
/** With more deliveries of theirs under way than that they wait: whatever is under way, others stand behind it. */
const OPEN_MAX = 16
/** While nobody else has anything to send. */
const OPEN_ALONE_MAX = 128
const ALONE_MS = 1_000

/**
 * Triggers that end more than fits into one step: the sessions of a user who has thousands. Their parts are taken one at a
 * time, between the records of everybody else, and only while few deliveries of theirs are under way; the trigger stays open
 * until the last. However often a user signs out meanwhile, one sweep follows on the one that is under way, with the latest
 * cut-off: it finds whatever the others would.
 */
export class FanOuts {
  /** Open while there may be more of them; intake waits for it. */
  readonly room = new Gate(true)
  readonly #options: FanOutsOptions
  /** At most one of them asks for a turn of intake. */
  readonly #ownMutex = new Mutex()
  readonly #sweeps = new WeakMap<Queue, Map<string, Sweep>>()
  #heldBytes = 0
  #underWay = 0
  #othersAtMs = Number.NEGATIVE_INFINITY

  constructor(options: FanOutsOptions) {
    this.#options = options
  }

  /** Somebody else has something to send. */
  noteOtherTraffic(): void {
    this.#othersAtMs = performance.now()
  }

  /** As the record, for what the parts after the first bring. */
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

  /** Calls `part` until it answers that there is no more. True then, and false when the queue was closed before. */
  async run(fanOut: FanOut): Promise<boolean> {
    const bytes = fanOut.bytes + RECORD_BYTES
    this.#hold(bytes)
    try {
      return await this.#sweepFor(fanOut).done
    } finally {
      this.#hold(-bytes)
    }
  }

  /** One that has begun may have passed what this one means; one that waits reads it all after this. */
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
      // A queue that is held may be released, or belong to somebody else soon.
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
