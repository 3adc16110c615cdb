import type { IssuerShares } from '../delivery/issuer-shares.ts'
import type { OpenDeliveries } from '../delivery/open-deliveries.ts'
import { delay } from '../lib/deferred.ts'
import { Gate } from '../lib/gate.ts'
import { Turns } from '../lib/turns.ts'
import type { OpenRecord } from './offset-tracker.ts'
import type { PartitionLane } from './partition-lane.ts'

export interface FanOutsOptions {
  readonly open: Pick<OpenDeliveries, 'isHalfFullFor'>
  readonly shares: Pick<IssuerShares, 'get'>
  readonly stopped: AbortSignal
  /** Those of all intake. */
  readonly turns: Turns
}

type Lane = Pick<PartitionLane, 'isOpen' | 'isClosed'>
type Part = () => Promise<'more' | 'done' | 'given-up'>

export interface FanOut {
  /** Of the record that asks for it. */
  readonly lane: Lane
  /** Memory that the record holds. */
  readonly bytes: number
  readonly issuer: string
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

/** What the fan-outs of one issuer have in common. */
interface OfIssuer {
  /** At most one of them asks for a turn of intake. */
  readonly turns: Turns
  fanOuts: number
  /** Deliveries of theirs. */
  underWay: number
}

/** Above it no further record is taken. */
const HELD_BYTES_MAX = 16 * 1_024 * 1_024
/** About what a sweep remembers: a page of session ids. */
const PAGE_BYTES = 16 * 1_024
/** And a record beside its content. */
const RECORD_BYTES = 1_024
const LOOK_MS = 5
/** With more deliveries of an issuer's under way than that its fan-outs wait: whatever is under way, others stand behind it. */
const OPEN_MAX = 16
/** While nobody else has anything to send. */
const OPEN_ALONE_MAX = 128
const ALONE_MS = 1_000

/**
 * Triggers that end more than fits into one step: the sessions of a user who has thousands. Their parts are taken one at a
 * time for each issuer, between the records of everybody else, and only while few deliveries of theirs are under way; the trigger stays open
 * until the last. However often a user signs out meanwhile, one sweep follows on the one that is under way, with the latest
 * cut-off: it finds whatever the others would.
 */
export class FanOuts {
  /** Open while there may be more of them; intake waits for it. */
  readonly room = new Gate(true)
  readonly #options: FanOutsOptions
  readonly #ofIssuer = new Map<string, OfIssuer>()
  readonly #sweeps = new WeakMap<Lane, Map<string, Sweep>>()
  #heldBytes = 0
  #othersAtMs = Number.NEGATIVE_INFINITY

  constructor(options: FanOutsOptions) {
    this.#options = options
  }

  /** Somebody else has something to send. */
  othersGoOn(): void {
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
      settled: () => {
        ofIssuer.underWay--
        this.#forget(issuer, ofIssuer)
        record.settled()
      },
    }
  }

  /** Calls `part` until it answers that there is no more. True then, and false when the lane was closed before. */
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

  /** One that has begun may have passed what this one means; one that waits reads it all after this. */
  #sweepFor(fanOut: FanOut): Sweep {
    const { lane, subject } = fanOut
    const ofLane = this.#sweeps.get(lane) ?? new Map<string, Sweep>()
    this.#sweeps.set(lane, ofLane)
    const running = ofLane.get(subject)
    if (running !== undefined) fanOut.startOver()
    const waiting = running?.next
    if (waiting !== undefined) {
      if (fanOut.untilMs > waiting.fanOut.untilMs) waiting.fanOut = fanOut
      return waiting
    }
    const done = (running?.done ?? Promise.resolve(true)).then(async () => {
      ofLane.set(subject, sweep)
      const isDone = await this.#goThrough(sweep.fanOut)
      if (sweep.next === undefined) ofLane.delete(subject)
      return isDone
    })
    const sweep: Sweep = { fanOut, done }
    if (running === undefined) ofLane.set(subject, sweep)
    else running.next = sweep
    return sweep
  }

  async #goThrough(fanOut: FanOut): Promise<boolean> {
    this.#hold(PAGE_BYTES)
    try {
      for (;;) {
        const came = await this.#inTurn(fanOut)
        if (came !== 'more') return came === 'done'
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
      ofIssuer = { turns: new Turns(), fanOuts: 0, underWay: 0 }
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

  async #inTurn({ issuer, lane, part }: FanOut) {
    const { stopped, turns } = this.#options
    const isWanted = () => !lane.isClosed && !stopped.aborted
    const ofIssuer = this.#of(issuer)
    const endOwnTurn = await ofIssuer.turns.take()
    try {
      // A lane that is held may be released, or belong to somebody else soon.
      while (isWanted() && (this.#isBusy(issuer, ofIssuer) || !lane.isOpen)) await delay(LOOK_MS, stopped)
      if (!isWanted()) return 'given-up'
      const endTurn = await turns.take()
      try {
        return isWanted() ? await part() : 'given-up'
      } finally {
        endTurn()
      }
    } finally {
      endOwnTurn()
    }
  }
}
