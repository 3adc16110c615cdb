import type { Origin } from './origins.ts'
import type { RelyingParty } from './relying-party.ts'
import type { StandingKind } from './standing.ts'
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

  constructor(standings: Standings, { maxInFlight, maxInFlightPerRp }: UnprovenBoundsOptions) {
    this.#standings = standings
    this.#maxInFlightPerRp = maxInFlightPerRp
    this.#placesMax = Math.max(Math.floor(maxInFlight * PLACES_SHARE), 1)
    this.#lingeringMax = maxInFlight * LINGERING_FACTOR
    this.#lingeringMaxPerOrigin = Math.max(
      Math.floor(maxInFlight * LINGERING_SHARE_PER_ORIGIN),
      maxInFlightPerRp,
    )
  }

  get lingering(): number {
    return this.#lingering
  }

  /** So many more attempts wait without a place, or fewer. */
  lingers(rp: RelyingParty, origin: Origin, change: 1 | -1): void {
    this.#lingering += change
    rp.lingering += change
    origin.lingering += change
  }

  /** How many attempts may be started at an RP; 0 for none. */
  room({ rp, origin, attemptsMax, placesLeft, kept }: Asked): number {
    const standing = this.#standings.of(rp, origin)
    const claiming = kept ? this.claiming : 0
    // Those that hang are asked now and then; what they take must not keep slow and new ones from being told.
    const part = rp.standing.kind === 'hung' ? KNOWN_TO_HANG_SHARE : 1
    const room = Math.min(
      placesLeft - claiming,
      Math.ceil(this.#placesMax * part) - this.places - claiming,
      Math.ceil(this.#lingeringMax * part) - this.#lingering,
      this.#attemptsMax(standing, attemptsMax) - rp.inFlight,
      origin === undefined || origin.standing.kind === 'quick' || rp.standing.kind === 'quick'
        ? Number.POSITIVE_INFINITY
        : this.#lingeringMaxPerOrigin - origin.lingering,
      origin === undefined || !this.#standings.isHung(origin)
        ? Number.POSITIVE_INFINITY
        : Math.ceil(this.#maxInFlightPerRp * part) - (origin.inFlight - origin.lingering),
      standing === 'hung' ? 1 - (rp.inFlight - rp.lingering) : Number.POSITIVE_INFINITY,
    )
    return Math.max(room, 0)
  }

  #attemptsMax(standing: StandingKind, attemptsMax: number): number {
    const isEasy = this.places < this.#placesMax * EASE_SHARE
    return standing === 'new' && !isEasy ? Math.min(attemptsMax, NEW_ATTEMPTS_MAX) : attemptsMax
  }
}
