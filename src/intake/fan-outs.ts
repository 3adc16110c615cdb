import type { IssuerShares } from '../delivery/issuer-shares.ts'
import type { OpenDeliveries } from '../delivery/open-deliveries.ts'
import { delay } from '../lib/deferred.ts'
import { Gate } from '../lib/gate.ts'
import { Mutex } from '../lib/mutex.ts'
import type { OpenRecord } from './offset-tracker.ts'
import type { PartitionQueue } from './partition-queue.ts'

export interface FanOutsOptions {
  readonly open: Pick<OpenDeliveries, 'isHalfFullFor'>
  readonly shares: Pick<IssuerShares, 'get'>
  readonly stopped: AbortSignal
  readonly mutex: Mutex
}

type Queue = Pick<PartitionQueue, 'isOpen' | 'isClosed'>
type Part = () => Promise<'more' | 'done' | 'given-up'>

export interface FanOut {
  readonly queue: Queue
  /** Memory that the record uses. */
  readonly bytes: number
  readonly issuer: string
  /** What is gone through: a user's sessions, or a session's registrations. */
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

/** What the fan-outs of one issuer have in common. */
interface OfIssuer {
  /** At most one of them asks for a turn of intake. */
  readonly mutex: Mutex
  fanOuts: number
  /** Deliveries of theirs. */
  underWay: number
}

/** Above it no further record is taken. */
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
  readonly #ofIssuer = new Map<string, OfIssuer>()
  readonly #sweeps = new WeakMap<Queue, Map<string, Sweep>>()
  #heldBytes = 0
  #othersAtMs = Number.NEGATIVE_INFINITY

  constructor(options: FanOutsOptions) {
    this.#options = options
  }

  /** Records that somebody else has deliveries to send. */
  noteOtherTraffic(): void {
    this.#othersAtMs = performance.now()
  }

  /** As the record, for what the parts after the first bring. */
  counted(issuer: string, record: OpenRecord): OpenRecord {
    const ofIssuer = this.#of(issuer)
    return {
      owe: () => {
        ofIssuer.underWay++
        record.owe()
      },
      acknowledge: () => {
        ofIssuer.underWay--
        this.#forget(issuer, ofIssuer)
        record.acknowledge()
      },
    }
  }

  /** Calls `part` until there is no more. True then; false when the queue was closed before. */
  async run(fanOut: FanOut): Promise<boolean> {
    const bytes = fanOut.bytes + RECORD_BYTES
    const ofIssuer = this.#of(fanOut.issuer)
    ofIssuer.fanOuts++
    this.#hold(bytes)
    try {
      return await this.#sweepFor(fanOut).done
    } finally {
      this.#hold(-bytes)
      ofIssuer.fanOuts--
      this.#forget(fanOut.issuer, ofIssuer)
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
      const isDone = await this.#runParts(sweep.fanOut)
      if (sweep.next === undefined) ofQueue.delete(subject)
      return isDone
    })
    const sweep: Sweep = { fanOut, done }
    if (running === undefined) ofQueue.set(subject, sweep)
    else running.next = sweep
    return sweep
  }

  async #runParts(fanOut: FanOut): Promise<boolean> {
    this.#hold(PAGE_BYTES)
    try {
      for (;;) {
        const result = await this.#runPart(fanOut)
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

  #of(issuer: string): OfIssuer {
    let ofIssuer = this.#ofIssuer.get(issuer)
    if (ofIssuer === undefined) {
      ofIssuer = { mutex: new Mutex(), fanOuts: 0, underWay: 0 }
      this.#ofIssuer.set(issuer, ofIssuer)
    }
    return ofIssuer
  }

  #forget(issuer: string, { fanOuts, underWay }: OfIssuer): void {
    if (fanOuts === 0 && underWay === 0) this.#ofIssuer.delete(issuer)
  }

  #isBusy(issuer: string, { underWay }: OfIssuer): boolean {
    const { open, shares } = this.#options
    const isAlone = performance.now() - this.#othersAtMs > ALONE_MS
    return underWay > (isAlone ? OPEN_ALONE_MAX : OPEN_MAX) || open.isHalfFullFor(shares.get(issuer))
  }

  async #runPart({ issuer, queue, part }: FanOut) {
    const { stopped, mutex } = this.#options
    const isWanted = () => !queue.isClosed && !stopped.aborted
    const ofIssuer = this.#of(issuer)
    const releaseOwn = await ofIssuer.mutex.acquire()
    try {
      // A held queue may soon be released, or its partition may move to another replica.
      while (isWanted() && (this.#isBusy(issuer, ofIssuer) || !queue.isOpen)) await delay(LOOK_MS, stopped)
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
