import type { OpenDeliveries } from '../delivery/open-deliveries.ts'
import { delay } from '../lib/deferred.ts'
import { Gate } from '../lib/gate.ts'
import { Turns } from '../lib/turns.ts'
import type { OpenRecord } from './offset-tracker.ts'
import type { PartitionLane } from './partition-lane.ts'

export interface FanOutsOptions {
  readonly open: Pick<OpenDeliveries, 'isHalfFull'>
  readonly stopped: AbortSignal
  /** Those of all intake. */
  readonly turns: Turns
}

type Lane = Pick<PartitionLane, 'isOpen' | 'isClosed'>

/** Each remembers a page of session ids. */
const FAN_OUTS_MAX = 64
const LOOK_MS = 5
/** With more deliveries of theirs under way than that they wait: whatever is under way, others stand behind it. */
const OPEN_MAX = 16
/** While nobody else has anything to send. */
const OPEN_ALONE_MAX = 128
const ALONE_MS = 1_000

/**
 * Triggers that end more than fits into one step: the sessions of a user who has thousands. Their parts are taken one at a
 * time, between the records of everybody else, and only while few deliveries of theirs are under way; the trigger stays open
 * until the last.
 */
export class FanOuts {
  /** Open while there may be more of them; intake waits for it. */
  readonly room = new Gate(true)
  readonly #options: FanOutsOptions
  /** At most one of them asks for a turn of intake. */
  readonly #ownTurns = new Turns()
  #running = 0
  #underWay = 0
  #othersAtMs = Number.NEGATIVE_INFINITY

  constructor(options: FanOutsOptions) {
    this.#options = options
  }

  /** Somebody else has something to send. */
  othersGoOn(): void {
    this.#othersAtMs = performance.now()
  }

  /** As the record, for what the parts after the first bring. */
  counted(record: OpenRecord): OpenRecord {
    return {
      owe: () => {
        this.#underWay++
        record.owe()
      },
      settled: () => {
        this.#underWay--
        record.settled()
      },
    }
  }

  /** Calls `part` until it answers that there is no more. True then, and false when the lane was closed before. */
  async run(lane: Lane, part: () => Promise<'more' | 'done' | 'given-up'>): Promise<boolean> {
    if (++this.#running >= FAN_OUTS_MAX) this.room.close()
    try {
      for (;;) {
        const came = await this.#inTurn(lane, part)
        if (came !== 'more') return came === 'done'
      }
    } finally {
      if (--this.#running < FAN_OUTS_MAX) this.room.open()
    }
  }

  get #isBusy(): boolean {
    const isAlone = performance.now() - this.#othersAtMs > ALONE_MS
    return this.#underWay > (isAlone ? OPEN_ALONE_MAX : OPEN_MAX)
  }

  async #inTurn(lane: Lane, part: () => Promise<'more' | 'done' | 'given-up'>) {
    const { open, stopped, turns } = this.#options
    const isWanted = () => !lane.isClosed && !stopped.aborted
    const endOwnTurn = await this.#ownTurns.take()
    try {
      // A lane that is held may be released, or belong to somebody else soon.
      while (isWanted() && (this.#isBusy || open.isHalfFull || !lane.isOpen)) await delay(LOOK_MS, stopped)
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
