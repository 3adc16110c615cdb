import type { IssuerShare } from './issuer-shares.ts'
import type { Origin } from './origins.ts'
import type { RelyingParty } from './relying-party.ts'
import { SLOW_LOOKS, type StandingKind } from './standing.ts'
import type { Standings } from './standings.ts'

export interface UnprovenBoundsOptions {
  readonly maxInFlight: number
  readonly maxInFlightPerRp: number
}

interface Asked {
  readonly rp: RelyingParty
  readonly origin: Origin | undefined
  /** Attempts that may be under way at this RP. */
  readonly attemptsMax: number
  /** Of all places, those that are free. */
  readonly placesLeft: number
  /** Without the places that are kept for claims; with them for what has been claimed. */
  readonly kept: boolean
}

/** Of all places; the others are kept for RPs that are quick. */
const PLACES_SHARE = 1 / 2
/** As many attempts as there are places may be waiting for an answer without one, so often. */
const LINGERING_FACTOR = 3
/** Of all places, so many attempts may be waiting without one at an origin that does not answer. */
const LINGERING_SHARE_PER_ORIGIN = 1 / 4
/** While so much of these places is free an RP of which nothing is known may have all its attempts; else a few. */
const EASE_SHARE = 1 / 4
export const NEW_ATTEMPTS_MAX = 2
/** Of all these bounds, so much is for RPs that are known to hang. */
const KNOWN_TO_HANG_SHARE = 1 / 2
/**
 * What RPs that have not shown that they are quick may take, all together: those that are new, slow or hung. Slow ones
 * are told as fast as they answer, and new ones get to show what they are; but the places of quick ones are never theirs.
 */
export class UnprovenBounds {
  readonly #lingeringMaxPerOrigin: number
  readonly #standings: Standings
  readonly #maxInFlightPerRp: number
  readonly #placesMax: number
  readonly #lingeringMax: number
  /** Attempts of these RPs that hold a place. */
  places = 0
  /** Attempts, of all RPs, that have given their place back. */
  #lingering = 0
  /** Places kept for claims that are under way. */
  claiming = 0
  /** Attempts at RPs that are known to be slow or to hang, since the last look. */
  #startedSinceLook = 0
  readonly #startedMaxPerLook: number
  #isRoomSought = false

  constructor(standings: Standings, { maxInFlight, maxInFlightPerRp }: UnprovenBoundsOptions) {
    this.#standings = standings
    this.#maxInFlightPerRp = maxInFlightPerRp
    this.#placesMax = Math.max(Math.floor(maxInFlight * PLACES_SHARE), 1)
    this.#startedMaxPerLook = Math.ceil(this.#placesMax / SLOW_LOOKS)
    this.#lingeringMax = maxInFlight * LINGERING_FACTOR
    this.#lingeringMaxPerOrigin = Math.max(
      Math.floor(maxInFlight * LINGERING_SHARE_PER_ORIGIN),
      maxInFlightPerRp,
    )
  }

  get lingering(): number {
    return this.#lingering
  }

  /** An attempt begins at an RP that has this standing. */
  started({ share }: RelyingParty, standing: StandingKind): void {
    this.places++
    share.unproven++
    if (!isLate(standing)) return
    this.#startedSinceLook++
    share.startedSinceLook++
  }

  leftPlace({ share }: RelyingParty): void {
    this.places--
    share.unproven--
  }

  /** So many more places are kept for claims at this RP, or fewer. */
  keep({ share }: RelyingParty, change: number): void {
    this.claiming += change
    share.claiming += change
  }

  /**
   * Lets RPs that are slow or hang start as many attempts until the next look as give a place back between two looks, on
   * average. All places given out at once would be given back at once, a quarter of a second later, and so on, and each time
   * the claims, signatures and connections of them all would stand before what is for RPs that are quick.
   *
   * True when an RP was refused for what had been started since the look before.
   */
  look(): boolean {
    const wasSought = this.#isRoomSought
    this.#startedSinceLook = 0
    this.#isRoomSought = false
    return wasSought
  }

  /** So many more attempts wait without a place, or fewer. */
  lingers(rp: RelyingParty, origin: Origin, change: 1 | -1): void {
    this.#lingering += change
    rp.lingering += change
    rp.share.lingering += change
    origin.lingering += change
  }

  /** How many attempts may be started at an RP; 0 for none. */
  room({ rp, origin, attemptsMax, placesLeft, kept }: Asked): number {
    const standing = this.#standings.of(rp, origin)
    const { share } = rp
    const claiming = kept ? this.claiming : 0
    const claimingOwn = kept ? share.claiming : 0
    // Those that hang are asked now and then; what they take must not keep slow and new ones from being told.
    const part = rp.standing.kind === 'hung' ? KNOWN_TO_HANG_SHARE : 1
    const room = Math.min(
      placesLeft - claiming,
      Math.ceil(this.#placesMax * part) - this.places - claiming,
      share.left(share.unproven + claimingOwn, this.places + claiming, this.#placesMax),
      this.#lingeringLeft(share, Math.ceil(this.#lingeringMax * part)),
      this.#attemptsMax(standing, attemptsMax) - rp.inFlight,
      origin === undefined || origin.standing.kind === 'quick' || rp.standing.kind === 'quick'
        ? Number.POSITIVE_INFINITY
        : this.#lingeringMaxPerOrigin - origin.lingering,
      origin === undefined || !this.#standings.isHung(origin)
        ? Number.POSITIVE_INFINITY
        : Math.ceil(this.#maxInFlightPerRp * part) - (origin.inFlight - origin.lingering - origin.probes),
      standing === 'hung' ? 1 - (rp.inFlight - rp.lingering) : Number.POSITIVE_INFINITY,
    )
    const startsMax = this.#startedMaxPerLook
    const starting = this.#startedSinceLook + claiming
    const startsLeft = Math.min(
      startsMax - starting,
      share.left(share.startedSinceLook + claimingOwn, starting, startsMax),
    )
    if (room <= 0 || !isLate(standing)) return Math.max(room, 0)
    if (startsLeft <= 0) this.#isRoomSought = true
    return Math.max(Math.min(room, startsLeft), 0)
  }

  /** As many as one RP may have at a time each issuer has always: others may have come before it, and hang for long. */
  #lingeringLeft(share: IssuerShare, max: number): number {
    const left = Math.min(
      max - this.#lingering,
      share.left(share.lingering, this.#lingering, this.#lingeringMax),
    )
    return Math.max(left, this.#maxInFlightPerRp - share.lingering)
  }

  #attemptsMax(standing: StandingKind, attemptsMax: number): number {
    const isEasy = this.places < this.#placesMax * EASE_SHARE
    return standing === 'new' && !isEasy ? Math.min(attemptsMax, NEW_ATTEMPTS_MAX) : attemptsMax
  }
}

function isLate(standing: StandingKind): boolean {
  return standing === 'slow' || standing === 'hung'
}
