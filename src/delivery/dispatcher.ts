import { Fifo } from '../lib/fifo.ts'
import type { Delivery } from './delivery.ts'
import { type RelyingParty, waitingAt } from './relying-party.ts'

export interface DispatcherOptions {
  /** Attempts under way, over all RPs. */
  readonly maxInFlight: number
  /** Attempts under way at one RP: a mass logout must not take it down. */
  readonly maxInFlightPerRp: number
  /** Deliveries that wait for their turn, over all RPs; one RP may have a sixteenth of them. */
  readonly maxWaiting: number
  /** Starts one attempt; `release` is called when it is over. */
  readonly start: (delivery: Delivery) => void
  /** An RP with parked deliveries that are due has room again. */
  readonly onRoom: () => void
}

/** Further attempts may take that part of the room in flight; the rest is kept for first attempts. */
const RETRY_SHARE = 0.75
/** Two: one under way and one that waits for it. */
const CLAIMS_PER_PLACE = 2
/** Small, so that ten hung RPs together still leave half of the room to the others. */
const RP_WAITING_SHARE = 1 / 16

/**
 * Decides who may start an attempt now. Every RP has queues of its own and a bound of its own; the RPs take turns,
 * one attempt each, so that one with a thousand waiting deliveries does not stand before one with a single one.
 */
export class Dispatcher {
  readonly #options: DispatcherOptions
  readonly #maxWaitingPerRp: number
  readonly #maxRetriesInFlight: number
  /** RPs that have a waiting delivery and room for it. */
  readonly #turns = new Fifo<RelyingParty>()
  #waiting = 0
  #inFlight = 0
  #retriesInFlight = 0
  #isPumping = false
  #isStopped = false

  constructor(options: DispatcherOptions) {
    this.#options = options
    this.#maxWaitingPerRp = Math.max(
      Math.floor(options.maxWaiting * RP_WAITING_SHARE),
      options.maxInFlightPerRp,
    )
    this.#maxRetriesInFlight = Math.max(Math.floor(options.maxInFlight * RETRY_SHARE), 1)
  }

  get inFlight(): number {
    return this.#inFlight
  }

  get waiting(): number {
    return this.#waiting
  }

  /**
   * How many parked deliveries of this RP may be claimed now: so few that the last of them starts well within its
   * lease, even when each attempt before it takes its whole time-out.
   */
  roomForClaims(rp: RelyingParty): number {
    if (this.#isStopped) return 0
    const waiting = waitingAt(rp)
    const inLease = CLAIMS_PER_PLACE * this.#options.maxInFlightPerRp - rp.inFlight - waiting
    const share = this.#maxWaitingPerRp - waiting
    return Math.max(Math.min(inLease, share, this.#options.maxWaiting - this.#waiting), 0)
  }

  /**
   * Takes a delivery to be attempted when its turn comes. False when the RP's share is full: it must be parked. The
   * bound on all that wait is not checked here; it stops intake before it gets so far.
   */
  submit(delivery: Delivery): boolean {
    const { rp } = delivery
    if (this.#isStopped || waitingAt(rp) >= this.#maxWaitingPerRp) return false
    const queue = delivery.isClaimed ? rp.waitingRetry : rp.waitingFirst
    queue.push(delivery)
    this.#waiting++
    this.#giveTurn(rp)
    this.#pump()
    return true
  }

  /** An attempt that was started is over. */
  release(delivery: Delivery): void {
    this.#inFlight--
    if (delivery.isClaimed) this.#retriesInFlight--
    delivery.rp.inFlight--
    this.#giveTurn(delivery.rp)
    this.#pump()
    const { rp } = delivery
    if (!rp.hasDueBacklog || waitingAt(rp) >= this.#options.maxInFlightPerRp / 2) return
    rp.hasDueBacklog = false
    this.#options.onRoom()
  }

  /** Starts nothing more, and hands back everything that still waits. */
  stop(relyingParties: Iterable<RelyingParty>): Delivery[] {
    this.#isStopped = true
    this.#turns.clear()
    const left: Delivery[] = []
    for (const rp of relyingParties) {
      left.push(...rp.waitingFirst, ...rp.waitingRetry)
      rp.waitingFirst.clear()
      rp.waitingRetry.clear()
    }
    this.#waiting = 0
    return left
  }

  #giveTurn(rp: RelyingParty): void {
    if (rp.hasTurn || waitingAt(rp) === 0 || rp.inFlight >= this.#options.maxInFlightPerRp) return
    rp.hasTurn = true
    this.#turns.push(rp)
  }

  #pump(): void {
    // An attempt that fails before it starts is released from inside `start`; the loop below sees it.
    if (this.#isPumping) return
    this.#isPumping = true
    // An RP that may not start now gives its turn back and is passed over, so one round is the most there is to do.
    let passed = 0
    while (passed < this.#turns.size && this.#inFlight < this.#options.maxInFlight) {
      const rp = this.#turns.shift() as RelyingParty
      const delivery = this.#next(rp)
      if (delivery === undefined) {
        this.#turns.push(rp)
        passed++
        continue
      }
      rp.hasTurn = false
      this.#waiting--
      this.#inFlight++
      if (delivery.isClaimed) this.#retriesInFlight++
      rp.startedFirst = !delivery.isClaimed
      rp.inFlight++
      this.#giveTurn(rp)
      this.#options.start(delivery)
    }
    this.#isPumping = false
  }

  /** First and further attempts take turns at one RP, as far as there is room for further ones at all. */
  #next(rp: RelyingParty): Delivery | undefined {
    const mayRetry = this.#retriesInFlight < this.#maxRetriesInFlight && rp.waitingRetry.size > 0
    if (mayRetry && (rp.startedFirst || rp.waitingFirst.size === 0)) return rp.waitingRetry.shift()
    return rp.waitingFirst.shift()
  }
}
