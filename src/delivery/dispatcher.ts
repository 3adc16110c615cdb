import { Fifo } from '../lib/fifo.ts'
import type { Delivery } from './delivery.ts'
import { type RelyingParty, waitingAt } from './relying-party.ts'
import { WaitingRoom, type WaitingRoomOptions } from './waiting-room.ts'

export interface DispatcherOptions extends WaitingRoomOptions {
  /** Attempts under way, over all RPs. */
  readonly maxInFlight: number
  /** Starts one attempt; `release` is called when it is over. */
  readonly start: (delivery: Delivery) => void
  /** An RP with parked deliveries that are due has room again. */
  readonly onRoom: () => void
  /** These waited for an RP that does not move: they must be parked. */
  readonly onShed: (deliveries: Delivery[]) => void
}

/** Further attempts may take that part of the room in flight; the rest is kept for first attempts. */
const RETRY_SHARE = 0.75
/** Together the probes may take that part: a hundred hung RPs must not fill the room with them. */
const PROBE_SHARE = 1 / 8

/**
 * Decides who may start an attempt now. Every RP has queues of its own and a bound of its own; the RPs take turns,
 * one attempt each, so that one with a thousand waiting deliveries does not stand before one with a single one.
 */
export class Dispatcher {
  readonly #options: DispatcherOptions
  readonly #room: WaitingRoom
  readonly #maxRetriesInFlight: number
  readonly #maxProbes: number
  /** RPs that have a waiting delivery and room for it. */
  readonly #turns = new Fifo<RelyingParty>()
  #waiting = 0
  #inFlight = 0
  #retriesInFlight = 0
  #probes = 0
  #isPumping = false
  #isStopped = false

  constructor(options: DispatcherOptions) {
    this.#options = options
    this.#room = new WaitingRoom(options)
    this.#maxRetriesInFlight = Math.max(Math.floor(options.maxInFlight * RETRY_SHARE), 1)
    this.#maxProbes = Math.max(Math.floor(options.maxInFlight * PROBE_SHARE), 1)
  }

  get inFlight(): number {
    return this.#inFlight
  }

  get waiting(): number {
    return this.#waiting
  }

  /** How many parked deliveries of this RP may be claimed now. */
  roomForClaims(rp: RelyingParty): number {
    if (this.#isStopped || this.#room.isStalled(rp)) return 0
    if (!rp.breaker.isClosed) return this.#mayProbe(rp) ? 1 : 0
    return this.#room.roomForClaims(rp, this.#attemptsMax(rp))
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
    this.#room.moved(rp, now)
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

  /** Parks what waits for RPs that were quick and are slow now. To be called now and then. */
  takeBack(): void {
    for (const rp of this.#room.takeBack()) this.shed(rp)
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

  /** Behind an open breaker nothing waits; the one attempt that may be made starts at once. */
  #mayWait(delivery: Delivery): boolean {
    const { rp } = delivery
    if (!rp.breaker.isClosed) return this.#mayProbe(rp)
    if (!this.#room.isStalled(rp)) return this.#room.mayTake(delivery)
    this.shed(rp)
    return false
  }

  #mayProbe(rp: RelyingParty): boolean {
    const isFree = rp.inFlight + waitingAt(rp) < rp.breaker.attemptsMax
    return isFree && this.#probes < this.#maxProbes && this.#inFlight < this.#options.maxInFlight
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
