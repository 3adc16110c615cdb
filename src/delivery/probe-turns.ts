import type { Clock } from '../lib/clock.ts'
import type { Delivery } from './delivery.ts'
import type { Origin } from './origins.ts'
import { Places } from './places.ts'
import type { RelyingParty } from './relying-party.ts'

export interface ProbeTurnsOptions {
  readonly clock: Clock
  readonly maxInFlight: number
  /** After so long a probe that has not ended is not waited for: another one may be made. Milliseconds. */
  readonly probeAloneMs: number
}

/** For as many probes as that part of the attempts in flight there are places of their own. */
const PROBE_SHARE = 1 / 8
/** And for that part of the RPs that do not answer, so that each of them has its turn within two seconds, however many. */
const PROBE_ROUND = 1 / 5

/** Of the usual places, those for RPs behind one origin that does not answer. */
const HUNG_ORIGIN_SHARE = 1 / 2

/**
 * Who may be probed now. A probe, of which there is one per RP whose breaker is open, takes no place from the others, nor
 * they from it: RPs that hang must not keep one that is well again from being found out.
 */
export class ProbeTurns {
  readonly #options: ProbeTurnsOptions
  readonly #usualPlaces: number
  readonly #probes = new Set<Delivery>()
  readonly #places = new Places()
  /** RPs whose breaker is open. */
  #silent = 0
  /** An RP could not be probed for want of a place. */
  #isPlaceSought = false

  constructor(options: ProbeTurnsOptions) {
    this.#options = options
    this.#usualPlaces = Math.max(Math.floor(options.maxInFlight * PROBE_SHARE), 1)
  }

  get inFlight(): number {
    return this.#probes.size
  }

  get placesTaken(): number {
    return this.#places.size
  }

  /** Those that may be probed now, as many as there are places: first whose cool-down ended first. */
  next(rps: readonly RelyingParty[], originOf: (rp: RelyingParty) => Origin | undefined): RelyingParty[] {
    const cool = rps.filter((rp) => this.#isToBeProbed(rp, originOf(rp)))
    const places = Math.max(this.#maxPlaces - this.#places.size, 0)
    if (cool.length > places) this.#isPlaceSought = true
    return cool.sort((a, b) => b.breaker.cooledDownForMs - a.breaker.cooledDownForMs).slice(0, places)
  }

  mayProbe(rp: RelyingParty, origin: Origin | undefined): boolean {
    if (!this.#isToBeProbed(rp, origin)) return false
    if (this.#places.size < this.#maxPlaces) return true
    this.#isPlaceSought = true
    return false
  }

  begin(delivery: Delivery, origin: Origin, look: number): void {
    origin.probes++
    origin.probePlaces++
    delivery.rp.probe = delivery
    delivery.rp.probedAtMs = this.#options.clock.monotonic()
    this.#probes.add(delivery)
    this.#places.take(delivery, look)
  }

  /** False when the delivery is no probe. */
  end(delivery: Delivery): boolean {
    if (this.#probes.size === 0 || !this.#probes.delete(delivery)) return false
    if (delivery.rp.probe === delivery) delivery.rp.probe = undefined
    const origin = delivery.host as Origin
    origin.probes--
    if (this.#places.giveBack(delivery)) origin.probePlaces--
    return true
  }

  /** A probe that takes long gives its place to the next and goes on without: it is probably one of an RP that hangs. */
  takeBack(untilLook: number): void {
    for (
      let it = this.#places.takeOldest(untilLook);
      it !== undefined;
      it = this.#places.takeOldest(untilLook)
    )
      (it.host as Origin).probePlaces--
  }

  /** True, once, when there is a place again after somebody was refused one. */
  takeSoughtPlace(): boolean {
    if (!this.#isPlaceSought || this.#places.size >= this.#maxPlaces) return false
    this.#isPlaceSought = false
    return true
  }

  /** A breaker opens and closes by what comes of an attempt, and nowhere else. */
  countSilent(rp: RelyingParty): void {
    if (rp.isSilent !== rp.breaker.isClosed) return
    rp.isSilent = !rp.isSilent
    this.#silent += rp.isSilent ? 1 : -1
  }

  get #maxPlaces(): number {
    return Math.max(this.#usualPlaces, Math.ceil(this.#silent * PROBE_ROUND))
  }

  /**
   * Attempts from before the breaker opened do not count, nor does a probe that takes long: they may hang. Of RPs that
   * hang behind one origin only some are probed at a time, until one of them answers.
   */
  #isToBeProbed(rp: RelyingParty, origin: Origin | undefined): boolean {
    if (rp.breaker.attemptsMax === 0) return false
    const { clock, probeAloneMs } = this.#options
    if (rp.probe !== undefined && clock.monotonic() - rp.probedAtMs < probeAloneMs) return false
    if (!rp.probeTimeout.hasHung || origin?.standing.kind !== 'hung') return true
    return origin.probePlaces < Math.ceil(this.#usualPlaces * HUNG_ORIGIN_SHARE)
  }
}
