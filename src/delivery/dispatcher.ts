import { Fifo } from '../lib/fifo.ts'
import type { Delivery } from './delivery.ts'
import { type RelyingParty, waitingAt } from './relying-party.ts'
import { WaitingRoom, type WaitingRoomOptions } from './waiting-room.ts'

export interface DispatcherOptions extends WaitingRoomOptions {
  /** Attempts under way, over all RPs; probes come on top. */
  readonly maxInFlight: number
  /** After so long a probe that has not ended is not waited for: another one may be made. Milliseconds. */
  readonly probeAloneMs: number
  /** Starts one attempt; `release` is called when it is over. */
  readonly start: (delivery: Delivery) => void
  /** This one is to be started as a probe. */
  readonly onProbe: (delivery: Delivery) => void
  /** An RP with parked deliveries that are due has room again, or may be probed. */
  readonly onRoom: () => void
  /** These waited for an RP that does not move: they must be parked. */
  readonly onShed: (deliveries: Delivery[]) => void
}

/** Further attempts may take that part of the room in flight; the rest is kept for first attempts. */
const RETRY_SHARE = 0.75
/** For as many probes as that part of the attempts in flight there are places of their own. */
const PROBE_SHARE = 1 / 8
/** And for that part of the RPs that do not answer, so that each of them has its turn within two seconds, however many. */
const PROBE_ROUND = 1 / 5
/** After so long a probe gives its place to the next and goes on without: it is probably one of an RP that hangs. */
const PROBE_PLACE_MS = 250

/**
 * Decides who may start an attempt now. Every RP has queues of its own and a bound of its own; the RPs take turns,
 * one attempt each, so that one with a thousand waiting deliveries does not stand before one with a single one.
 *
 * A probe, of which there is one per RP whose breaker is open, takes no place from the others, nor they from it: RPs
 * that hang must not keep one that is well again from being found out.
 */
export class Dispatcher {
  readonly #options: DispatcherOptions
  readonly #room: WaitingRoom
  readonly #maxRetriesInFlight: number
  /** RPs that have a waiting delivery and room for it. */
  readonly #turns = new Fifo<RelyingParty>()
  #waiting = 0
  #inFlight = 0
  #retriesInFlight = 0
  readonly #probes = new Set<Delivery>()
  /** Probes that have a place, with the time when they began; the oldest first. */
  readonly #probePlaces = new Map<Delivery, number>()
  /** RPs whose breaker is open. */
  #silent = 0
  /** An RP could not be probed for want of a place. */
  #isProbeSought = false
  #isPumping = false
  #isStopped = false

  constructor(options: DispatcherOptions) {
    this.#options = options
    this.#room = new WaitingRoom(options)
    this.#maxRetriesInFlight = Math.max(Math.floor(options.maxInFlight * RETRY_SHARE), 1)
  }

  /** Attempts under way, probes included. */
  get inFlight(): number {
    return this.#inFlight + this.#probes.size
  }

  get waiting(): number {
    return this.#waiting
  }

  /** What is taken of each bound. */
  get taken() {
    return {
      inFlight: this.#inFlight,
      retriesInFlight: this.#retriesInFlight,
      probes: this.#probes.size,
      probePlaces: this.#probePlaces.size,
      waiting: this.#waiting,
    }
  }

  /** How many parked deliveries of this RP may be claimed now. */
  roomForClaims(rp: RelyingParty): number {
    if (this.#isStopped) return 0
    if (!rp.breaker.isClosed) return this.#mayProbe(rp) ? 1 : 0
    if (this.#room.isStalled(rp)) return 0
    return this.#room.roomForClaims(rp, this.#attemptsMax(rp))
  }

  /** Those that may be probed now, as many as there are places: first whose cool-down ended first. */
  nextProbes(rps: readonly RelyingParty[]): RelyingParty[] {
    if (this.#isStopped) return []
    const cool = rps.filter((rp) => this.#isToBeProbed(rp))
    const places = Math.max(this.#maxProbes - this.#probePlaces.size, 0)
    if (cool.length > places) this.#isProbeSought = true
    return cool.sort((a, b) => b.breaker.cooledDownForMs - a.breaker.cooledDownForMs).slice(0, places)
  }

  /**
   * Takes a delivery to be attempted when its turn comes. False when the RP's share is full, or the RP does not move:
   * it must be parked. The bound on all that wait is not checked here; it stops intake before it gets so far.
   */
  submit(delivery: Delivery): boolean {
    const { rp } = delivery
    if (this.#isStopped) return false
    // Behind an open breaker nothing waits; the one attempt that may be made starts at once.
    if (!rp.breaker.isClosed) return this.#probe(delivery)
    if (!this.#mayWait(delivery)) return false
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
    if (this.#probes.size > 0 && this.#probes.delete(delivery)) {
      if (rp.probe === delivery) rp.probe = undefined
      this.#probePlaces.delete(delivery)
    } else {
      this.#inFlight--
      if (delivery.isClaimed) this.#retriesInFlight--
    }
    rp.inFlight--
    this.#countSilent(rp)
    const now = this.#options.clock.monotonic()
    rp.pace.ended(now - rp.movedAtMs)
    rp.movedAtMs = now
    this.#room.moved(rp, now)
    this.#giveTurn(rp)
    this.#pump()
    this.#tellOfProbePlaces()
    if (!rp.hasDueBacklog || this.roomForClaims(rp) === 0) return
    rp.hasDueBacklog = false
    this.#options.onRoom()
  }

  /** Nothing waits for this RP any more. */
  shed(rp: RelyingParty): void {
    const shed = this.#takeWaiting(rp)
    if (shed.length > 0) this.#options.onShed(shed)
  }

  /** Parks what waits for RPs that were quick and are slow now, and takes the places of long probes back. To be called now and then. */
  takeBack(): void {
    for (const rp of this.#room.takeBack()) this.shed(rp)
    const until = this.#options.clock.monotonic() - PROBE_PLACE_MS
    for (const [probe, beganAt] of this.#probePlaces) {
      if (beganAt > until) break
      this.#probePlaces.delete(probe)
    }
    this.#tellOfProbePlaces()
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

  #mayWait(delivery: Delivery): boolean {
    const { rp } = delivery
    if (!this.#room.isStalled(rp)) return this.#room.mayTake(delivery)
    this.shed(rp)
    return false
  }

  get #maxProbes(): number {
    const { maxInFlight } = this.#options
    return Math.max(Math.floor(maxInFlight * PROBE_SHARE), Math.ceil(this.#silent * PROBE_ROUND), 1)
  }

  /** Attempts from before the breaker opened do not count, nor does a probe that takes long: they may hang. */
  #isToBeProbed(rp: RelyingParty): boolean {
    if (rp.breaker.attemptsMax === 0) return false
    const { clock, probeAloneMs } = this.#options
    return rp.probe === undefined || clock.monotonic() - rp.probedAtMs >= probeAloneMs
  }

  #mayProbe(rp: RelyingParty): boolean {
    if (!this.#isToBeProbed(rp)) return false
    if (this.#probePlaces.size < this.#maxProbes) return true
    this.#isProbeSought = true
    return false
  }

  #probe(delivery: Delivery): boolean {
    const { rp } = delivery
    if (!this.#mayProbe(rp)) return false
    const now = this.#options.clock.monotonic()
    if (rp.inFlight === 0) rp.movedAtMs = now
    rp.inFlight++
    rp.probe = delivery
    rp.probedAtMs = now
    this.#probes.add(delivery)
    this.#probePlaces.set(delivery, now)
    this.#options.onProbe(delivery)
    this.#options.start(delivery)
    return true
  }

  #tellOfProbePlaces(): void {
    if (!this.#isProbeSought || this.#probePlaces.size >= this.#maxProbes) return
    this.#isProbeSought = false
    this.#options.onRoom()
  }

  /** A breaker opens and closes by what comes of an attempt, and nowhere else. */
  #countSilent(rp: RelyingParty): void {
    if (rp.isSilent !== rp.breaker.isClosed) return
    rp.isSilent = !rp.isSilent
    this.#silent += rp.isSilent ? 1 : -1
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
      if (rp.inFlight === 0) rp.movedAtMs = this.#options.clock.monotonic()
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
