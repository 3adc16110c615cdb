import type { Delivery } from './delivery.ts'
import type { IssuerShare, IssuerShares } from './issuer-shares.ts'
import type { Origin } from './origins.ts'
import { Places } from './places.ts'
import { ProbeTurns } from './probe-turns.ts'
import type { RelyingParty } from './relying-party.ts'
import { Standings } from './standings.ts'
import { NEW_ATTEMPTS_MAX, UnprovenBounds } from './unproven-bounds.ts'
import { WaitingLines } from './waiting-lines.ts'
import { WaitingRoom, type WaitingRoomOptions } from './waiting-room.ts'

export interface DispatcherOptions extends WaitingRoomOptions {
  /** Places for attempts, over all RPs; probes come on top, and attempts that have given their place back. */
  readonly maxInFlight: number
  /** Of the issuers of all RPs. */
  readonly shares: IssuerShares
  /** After so long a probe that has not ended is not waited for: another one may be made. Milliseconds. */
  readonly probeAloneMs: number
  /** Starts one attempt; `release` is called when it is over. */
  readonly start: (delivery: Delivery) => void
  /** The attempt may take long, and nobody is to wait for it: a probe, or one that has given its place back. */
  readonly onAside: (delivery: Delivery) => void
  /** An RP with parked deliveries that are due has room again, or may be probed. */
  readonly onRoom: () => void
  /** These waited for an RP that does not move: they must be parked. */
  readonly onShed: (deliveries: Delivery[]) => void
}

/** Further attempts may take that part of the places; the rest is kept for first attempts. */
const RETRY_SHARE = 0.75

/**
 * Decides who may start an attempt now. What is for RPs that are quick waits for its turn. For all others nothing waits
 * here: what may not start at once is parked.
 *
 * An attempt holds a place, and gives it back when it has waited for a quarter of a second: from then on it holds no more
 * than its socket. So places never run out for long, however many RPs hang.
 */
export class Dispatcher {
  readonly #options: DispatcherOptions
  readonly #room: WaitingRoom
  readonly #standings: Standings
  readonly #places = new Places()
  readonly #unproven: UnprovenBounds
  readonly #probes: ProbeTurns
  readonly #maxRetriesInFlight: number
  readonly #lines = new WaitingLines({
    attemptsMax: (rp) => {
      const attemptsMax = this.#attemptsMax(rp)
      return rp.standing.kind === 'new' ? Math.min(attemptsMax, NEW_ATTEMPTS_MAX) : attemptsMax
    },
    mayStart: (share) => this.#placesLeftTo(share) > 0,
  })
  #retriesInFlight = 0
  /** Parked deliveries of an RP that is not quick, or stands behind a host that hangs, may be claimed at the next look. */
  #isRoomSought = false
  #isPumping = false
  #isStopped = false

  constructor(options: DispatcherOptions) {
    this.#options = options
    const { maxInFlight, maxInFlightPerRp } = options
    this.#room = new WaitingRoom(options)
    this.#standings = new Standings(maxInFlightPerRp)
    this.#unproven = new UnprovenBounds(this.#standings, options)
    this.#probes = new ProbeTurns(options)
    this.#maxRetriesInFlight = Math.max(Math.floor(maxInFlight * RETRY_SHARE), 1)
  }

  /** Attempts under way: with a place, without one any more, and probes. */
  get inFlight(): number {
    return this.#places.size + this.#unproven.lingering + this.#probes.inFlight
  }

  get waiting(): number {
    return this.#lines.size
  }

  /** What is taken of each bound. */
  get taken() {
    return {
      attemptPlaces: this.#places.size,
      unproven: this.#unproven.places,
      lingering: this.#unproven.lingering,
      claiming: this.#unproven.claiming,
      atOrigins: [...this.#standings.origins].reduce(
        (sum, it) => sum + it.inFlight + it.lingering + it.probes + it.probePlaces,
        0,
      ),
      retriesInFlight: this.#retriesInFlight,
      probes: this.#probes.inFlight,
      probePlaces: this.#probes.placesTaken,
      waiting: this.#lines.size,
    }
  }

  /** How many parked deliveries of this RP may be claimed now. */
  roomForClaims(rp: RelyingParty): number {
    if (this.#isStopped) return 0
    const origin = this.#standings.originOf(rp)
    if (!rp.breaker.isClosed) return this.#probes.mayProbe(rp, origin) ? 1 : 0
    const attemptsMax = this.#attemptsMax(rp)
    const standing = this.#standings.of(rp, origin)
    if (standing === 'quick') return this.#room.roomForClaims(rp, attemptsMax)
    // A claim costs three round trips, for one as for many, and a slow RP is in no hurry.
    if (standing === 'slow' && rp.inFlight > attemptsMax / 2) return 0
    const placesLeft = this.#placesLeft(rp, true)
    return this.#unproven.room({ rp, origin, attemptsMax, placesLeft, kept: true })
  }

  /**
   * Keeps the places for a claim under way, so that no two claims count on the same ones; to be called with the negative
   * number afterwards. An RP that is quick has room of its own to wait in.
   */
  keepForClaim(rp: RelyingParty, limit: number): number {
    const kept = this.#standings.of(rp) === 'quick' ? 0 : limit
    this.#unproven.keep(rp, kept)
    return kept
  }

  giveBackClaim(rp: RelyingParty, kept: number): void {
    this.#unproven.keep(rp, -kept)
  }

  /** Those that may be probed now, as many as there are places: first whose cool-down ended first. */
  nextProbes(rps: readonly RelyingParty[]): RelyingParty[] {
    return this.#isStopped ? [] : this.#probes.next(rps, (rp) => this.#standings.originOf(rp))
  }

  /**
   * Takes a delivery to be attempted when its turn comes. False when there is no room for it at its RP: it must be
   * parked. The bound on all that wait is not checked here; it stops intake before it gets so far.
   */
  submit(delivery: Delivery): boolean {
    const { rp } = delivery
    if (this.#isStopped) return false
    rp.share.seen()
    const origin = this.#standings.originFor(delivery)
    delivery.host = origin
    // Behind an open breaker nothing waits; the one attempt that may be made starts at once.
    if (!rp.breaker.isClosed) return this.#probe(delivery, origin)
    if (this.#standings.of(rp, origin) !== 'quick') return this.#startAtOnce(delivery, origin)
    if (!this.#room.mayTake(delivery)) return false
    this.#lines.add(delivery)
    this.#pump()
    return true
  }

  /**
   * An attempt that was started is over. `didAnswer`: whether the RP did; left out when that cannot be said, because
   * nothing was sent to it.
   */
  release(delivery: Delivery, didAnswer?: boolean): void {
    const { rp } = delivery
    const origin = delivery.host as Origin
    if (!this.#probes.end(delivery)) {
      if (this.#places.giveBack(delivery)) this.#leftPlace(delivery)
      else this.#unproven.lingers(rp, origin, -1)
    }
    rp.inFlight--
    origin.inFlight--
    this.#probes.countSilent(rp)
    if (didAnswer !== undefined) {
      this.#standings.ended(delivery, origin, didAnswer)
      this.#shedUnlessQuick(rp)
    }
    const now = this.#options.clock.monotonic()
    rp.pace.ended(now - rp.movedAtMs)
    rp.movedAtMs = now
    this.#room.moved(rp, now)
    this.#lines.giveTurn(rp)
    this.#pump()
    this.#tellOfProbePlaces()
    // What found nothing on this side to be sent with would find no more of it now.
    if (rp.hasDueBacklog && didAnswer !== undefined) this.#tellOfRoom(rp, origin)
  }

  /** Nothing waits for this RP any more. */
  shed(rp: RelyingParty): void {
    const shed = this.#lines.takeAll(rp)
    if (shed.length > 0) this.#options.onShed(shed)
  }

  /**
   * Takes back the places of attempts that take long, and parks what waits for RPs that were quick and are slow now. To be
   * called twenty times a second.
   */
  look(): void {
    const untilLook = this.#standings.look()
    this.#options.shares.look()
    if (this.#unproven.look()) this.#isRoomSought = true
    for (let it = this.#places.takeOldest(untilLook); it !== undefined; ) {
      this.#goesOnWithoutPlace(it)
      it = this.#places.takeOldest(untilLook)
    }
    for (const rp of this.#room.takeBack()) this.shed(rp)
    this.#probes.takeBack(untilLook)
    this.#pump()
    this.#tellOfProbePlaces()
    if (!this.#isRoomSought) return
    this.#isRoomSought = false
    this.#options.onRoom()
  }

  /** Starts nothing more, and hands back everything that still waits. */
  stop(relyingParties: Iterable<RelyingParty>): Delivery[] {
    this.#isStopped = true
    this.#lines.endTurns()
    return [...relyingParties].flatMap((rp) => this.#lines.takeAll(rp))
  }

  #attemptsMax(rp: RelyingParty): number {
    return Math.min(this.#options.maxInFlightPerRp, rp.breaker.attemptsMax)
  }

  #placesLeftTo(share: IssuerShare): number {
    const { maxInFlight } = this.#options
    return share.left(share.places, this.#places.size, maxInFlight)
  }

  #placesLeft({ share }: RelyingParty, isClaimed: boolean): number {
    const left = Math.min(this.#options.maxInFlight - this.#places.size, this.#placesLeftTo(share))
    return isClaimed ? Math.min(left, this.#maxRetriesInFlight - this.#retriesInFlight) : left
  }

  /** What is parked was there before, and is told first. */
  #startAtOnce(delivery: Delivery, origin: Origin): boolean {
    const { rp, isClaimed } = delivery
    const attemptsMax = this.#attemptsMax(rp)
    const placesLeft = this.#placesLeft(rp, isClaimed)
    const mayStart =
      (isClaimed || !rp.hasDueBacklog) &&
      this.#unproven.room({ rp, origin, attemptsMax, placesLeft, kept: !isClaimed }) > 0
    if (mayStart) this.#begin(delivery, origin, true)
    else rp.hasDueBacklog = true
    return mayStart
  }

  #begin(delivery: Delivery, origin: Origin, isUnproven: boolean): void {
    const { rp } = delivery
    this.#places.take(delivery, this.#standings.now)
    rp.share.places++
    delivery.isUnproven = isUnproven
    if (isUnproven) this.#unproven.started(rp, this.#standings.of(rp, origin))
    if (delivery.isClaimed) this.#retriesInFlight++
    this.#start(delivery, rp, origin)
  }

  #start(delivery: Delivery, rp: RelyingParty, origin: Origin): void {
    if (rp.inFlight === 0) rp.movedAtMs = this.#options.clock.monotonic()
    rp.inFlight++
    origin.inFlight++
    this.#options.start(delivery)
  }

  #probe(delivery: Delivery, origin: Origin): boolean {
    if (!this.#probes.mayProbe(delivery.rp, origin)) return false
    delivery.isUnproven = true
    this.#probes.begin(delivery, origin, this.#standings.now)
    this.#options.onAside(delivery)
    this.#start(delivery, delivery.rp, origin)
    return true
  }

  #leftPlace({ isClaimed, isUnproven, rp }: Delivery): void {
    rp.share.places--
    if (isClaimed) this.#retriesInFlight--
    if (isUnproven) this.#unproven.leftPlace(rp)
  }

  #goesOnWithoutPlace(delivery: Delivery): void {
    const { rp } = delivery
    const origin = delivery.host as Origin
    this.#leftPlace(delivery)
    this.#unproven.lingers(rp, origin, 1)
    this.#options.onAside(delivery)
    this.#standings.takesLong(rp, origin)
    this.#shedUnlessQuick(rp)
  }

  #shedUnlessQuick(rp: RelyingParty): void {
    const { kind } = rp.standing
    if (kind === 'slow' || kind === 'hung') this.shed(rp)
  }

  #tellOfRoom(rp: RelyingParty, origin: Origin): void {
    // Not after each attempt: those of an RP that is not quick end so seldom that the next look is soon enough.
    if (rp.breaker.isClosed && this.#standings.of(rp, origin) !== 'quick') this.#isRoomSought = true
    // Its issuer is told when claims may have more; until then each attempt that ends would ask for nothing.
    else if (!rp.share.areClaimPlacesSought && this.roomForClaims(rp) > 0) {
      rp.hasDueBacklog = false
      this.#options.onRoom()
    }
  }

  #tellOfProbePlaces(): void {
    if (this.#probes.takeSoughtPlace()) this.#options.onRoom()
  }

  #pump(): void {
    // An attempt that fails before it starts is released from inside `start`; the loop below sees it.
    if (this.#isPumping) return
    this.#isPumping = true
    while (this.#places.size < this.#options.maxInFlight) {
      const delivery = this.#lines.next(this.#retriesInFlight < this.#maxRetriesInFlight)
      if (delivery === undefined) break
      const { rp } = delivery
      const origin = delivery.host as Origin
      if (!this.#standings.isHung(origin)) this.#begin(delivery, origin, false)
      else if (!this.#startAtOnce(delivery, origin)) {
        this.#isRoomSought = true
        this.#options.onShed([delivery, ...this.#lines.takeAll(rp)])
      }
      this.#lines.giveTurn(rp)
    }
    this.#isPumping = false
  }
}
