import type { Clock } from '../lib/clock.ts'
import { Fifo } from '../lib/fifo.ts'
import type { Delivery } from './delivery.ts'
import { type RelyingParty, waitingAt } from './relying-party.ts'

export interface DispatcherOptions {
  readonly clock: Clock
  /** Attempts under way, over all RPs. */
  readonly maxInFlight: number
  /** Attempts under way at one RP: a mass logout must not take it down. */
  readonly maxInFlightPerRp: number
  /** Deliveries that wait for their turn, over all RPs; one RP may have a sixteenth of them, and more while it is quick. */
  readonly maxWaiting: number
  /** Starts one attempt; `release` is called when it is over. */
  readonly start: (delivery: Delivery) => void
  /** An RP with parked deliveries that are due has room again. */
  readonly onRoom: () => void
  /** These waited for an RP that does not move: they must be parked. */
  readonly onShed: (deliveries: Delivery[]) => void
}

/** Further attempts may take that part of the room in flight; the rest is kept for first attempts. */
const RETRY_SHARE = 0.75
/** Two: one under way and one that waits for it. */
const CLAIMS_PER_PLACE = 2
/** Together the probes may take that part: a hundred hung RPs must not fill the room with them. */
const PROBE_SHARE = 1 / 8
/** An RP that has all its attempts under way and ended none for so long does not move: nothing waits for it here. */
const STALL_MS = 1_000
/** Small, so that ten hung RPs together still leave half of the room to the others. */
const RP_WAITING_SHARE = 1 / 16
/**
 * A quick RP may have waiting what it takes in that time: with few RPs all of a mass logout would otherwise be parked
 * and claimed again, at twice the cost. What others then wait for a room that it has filled is no longer than this.
 */
const LENT_MS = 500
/** Not at every short pause: what is taken back is parked for nothing when the RP goes on at once. */
const TAKEN_BACK_FACTOR = 4

/**
 * Decides who may start an attempt now. Every RP has queues of its own and a bound of its own; the RPs take turns,
 * one attempt each, so that one with a thousand waiting deliveries does not stand before one with a single one.
 */
export class Dispatcher {
  readonly #options: DispatcherOptions
  readonly #maxWaitingPerRp: number
  readonly #maxRetriesInFlight: number
  readonly #maxProbes: number
  /** RPs that have a waiting delivery and room for it. */
  readonly #turns = new Fifo<RelyingParty>()
  /** RPs that may have more waiting than their share. */
  readonly #borrowers = new Set<RelyingParty>()
  #waiting = 0
  #inFlight = 0
  #retriesInFlight = 0
  #probes = 0
  #isPumping = false
  #isStopped = false

  constructor(options: DispatcherOptions) {
    this.#options = options
    this.#maxWaitingPerRp = Math.max(
      Math.floor(options.maxWaiting * RP_WAITING_SHARE),
      options.maxInFlightPerRp,
    )
    this.#maxRetriesInFlight = Math.max(Math.floor(options.maxInFlight * RETRY_SHARE), 1)
    this.#maxProbes = Math.max(Math.floor(options.maxInFlight * PROBE_SHARE), 1)
  }

  get inFlight(): number {
    return this.#inFlight
  }

  get waiting(): number {
    return this.#waiting
  }

  /**
   * How many parked deliveries of this RP may be claimed now. None while half of those that may wait do: a claim costs
   * three round trips, for one as for a hundred. What comes for the first time has room of its own, and cannot keep
   * them out.
   */
  roomForClaims(rp: RelyingParty): number {
    if (this.#isStopped || this.#isStalled(rp)) return 0
    if (!rp.breaker.isClosed) return this.#mayProbe(rp) ? 1 : 0
    const max = this.#maxWaitingClaims(rp)
    const waiting = rp.waitingRetry.size
    return waiting > max / 2 ? 0 : max - waiting
  }

  /**
   * Takes a delivery to be attempted when its turn comes. False when the RP's share is full, or the RP does not move:
   * it must be parked. The bound on all that wait is not checked here; it stops intake before it gets so far.
   */
  submit(delivery: Delivery): boolean {
    const { rp } = delivery
    if (this.#isStopped || !this.#mayWait(delivery)) return false
    const queue = delivery.isClaimed ? rp.waitingRetry : rp.waitingFirst
    queue.push(delivery)
    this.#waiting++
    this.#giveTurn(rp)
    this.#pump()
    return true
  }

  /** An attempt that was started is over. */
  release(delivery: Delivery): void {
    const { rp } = delivery
    this.#inFlight--
    if (delivery.isClaimed) this.#retriesInFlight--
    rp.inFlight--
    const now = this.#options.clock.now()
    rp.pace.ended(now - rp.movedAtMs)
    rp.movedAtMs = now
    if (rp.isProbed) {
      rp.isProbed = false
      this.#probes--
    }
    this.#giveTurn(rp)
    this.#pump()
    if (!rp.hasDueBacklog || this.roomForClaims(rp) === 0) return
    rp.hasDueBacklog = false
    this.#options.onRoom()
  }

  /** Nothing waits for this RP any more. */
  shed(rp: RelyingParty): void {
    const shed = this.#takeWaiting(rp)
    if (shed.length > 0) this.#options.onShed(shed)
  }

  /** Parks what was lent to RPs that have become slow. Called now and then: intake may be waiting for that room. */
  takeBack(): void {
    for (const rp of this.#borrowers) {
      const waiting = waitingAt(rp)
      const hasReturned = waiting <= this.#maxWaitingPerRp
      const isSlow = waiting > TAKEN_BACK_FACTOR * this.#lentTo(rp)
      if (hasReturned || isSlow) this.#borrowers.delete(rp)
      if (hasReturned || !isSlow) continue
      this.shed(rp)
    }
  }

  /** Starts nothing more, and hands back everything that still waits. */
  stop(relyingParties: Iterable<RelyingParty>): Delivery[] {
    this.#isStopped = true
    this.#turns.clear()
    return [...relyingParties].flatMap((rp) => this.#takeWaiting(rp))
  }

  #takeWaiting(rp: RelyingParty): Delivery[] {
    const waiting = [...rp.waitingFirst, ...rp.waitingRetry]
    rp.waitingFirst.clear()
    rp.waitingRetry.clear()
    this.#waiting -= waiting.length
    return waiting
  }

  #attemptsMax(rp: RelyingParty): number {
    return Math.min(this.#options.maxInFlightPerRp, rp.breaker.attemptsMax)
  }

  /**
   * So few that the last of them starts well within its lease, even when each attempt before it takes its whole
   * time-out; or what a quick RP takes soon.
   */
  #maxWaitingClaims(rp: RelyingParty): number {
    const inLease = CLAIMS_PER_PLACE * this.#attemptsMax(rp) - rp.inFlight
    return Math.max(Math.min(inLease, this.#maxWaitingPerRp), Math.floor(this.#lentTo(rp) / 2))
  }

  /** Behind an open breaker nothing waits; the one attempt that may be made starts at once. */
  #mayWait({ rp, isClaimed }: Delivery): boolean {
    if (!rp.breaker.isClosed) return this.#mayProbe(rp)
    if (this.#isStalled(rp)) {
      this.shed(rp)
      return false
    }
    const waiting = isClaimed ? rp.waitingRetry.size : rp.waitingFirst.size
    if (waiting < this.#maxWaitingPerRp) return true
    if (waiting >= this.#lentTo(rp)) return false
    this.#borrowers.add(rp)
    return true
  }

  #mayProbe(rp: RelyingParty): boolean {
    const isFree = rp.inFlight + waitingAt(rp) < rp.breaker.attemptsMax
    return isFree && this.#probes < this.#maxProbes && this.#inFlight < this.#options.maxInFlight
  }

  #isStalled(rp: RelyingParty): boolean {
    const { clock, maxInFlightPerRp } = this.#options
    return rp.inFlight >= maxInFlightPerRp && clock.now() - rp.movedAtMs > STALL_MS
  }

  /** How many may wait for this RP beyond its share; 0 for one that is slow, or has ended nothing for so long. */
  #lentTo(rp: RelyingParty): number {
    const isMoving = this.#options.clock.now() - rp.movedAtMs < LENT_MS
    return isMoving ? Math.floor(rp.pace.perMs * LENT_MS) : 0
  }

  #giveTurn(rp: RelyingParty): void {
    if (rp.hasTurn || waitingAt(rp) === 0 || rp.inFlight >= this.#attemptsMax(rp)) return
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
      if (waitingAt(rp) === 0) {
        rp.hasTurn = false
        continue
      }
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
      if (rp.inFlight === 0) rp.movedAtMs = this.#options.clock.now()
      rp.inFlight++
      if (!rp.breaker.isClosed && !rp.isProbed) {
        rp.isProbed = true
        this.#probes++
      }
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
