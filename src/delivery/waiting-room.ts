import type { Clock } from '../lib/clock.ts'
import type { Delivery } from './delivery.ts'
import { type RelyingParty, waitingAt } from './relying-party.ts'

export interface WaitingRoomOptions {
  readonly clock: Clock
  /** How many deliveries may be claimed for each attempt that may be under way: two where the lease covers two attempts. */
  readonly claimsPerPlace: 1 | 2
  /** Attempts under way at one RP: a mass logout must not take it down. */
  readonly maxInFlightPerRp: number
  /** Deliveries that wait for their turn, over all RPs. */
  readonly maxWaiting: number
  /** Of those, how many there is room for now. */
  readonly freePlaces: () => number
}

/** Small, so that no RP, until it shows how quick it is, takes much of it from the others. */
const SHARE = 1 / 16
/** For an RP that has not answered yet: hundreds of them may turn out to be slow. */
const NEW_MAX = 2
/**
 * A quick RP may have waiting what it takes in that time: with few RPs all of a mass logout would otherwise be parked
 * and claimed again, at twice the cost.
 */
const BURST_MS = 500
/** An RP that takes longer for an attempt holds what waits for it so long that intake must not wait for that. */
const PROMPT_MS = 100
/** Not more than that part of the room while others are told something too: intake must not pause for one RP. */
const BURST_SHARE_MAX = 1 / 2
/** After so long nobody else counts. */
const ALONE_MS = 60_000
/** Not at every short pause: what is taken back is parked for nothing when the RP goes on at once. */
const TAKEN_BACK_FACTOR = 4

/**
 * How many deliveries may wait for an RP that is not known to be slow: a small share of the room, more for one that shows
 * how quick it is. New deliveries and those claimed from the backlog are counted apart, so that neither keeps
 * the other out.
 */
export class WaitingRoom {
  readonly #clock: Clock
  readonly #claimsPerPlace: number
  readonly #freePlaces: () => number
  readonly #maxWaiting: number
  readonly #share: number
  readonly #burstMax: number
  readonly #bursting = new Set<RelyingParty>()
  #movedLast: RelyingParty | undefined
  /** When something ended at another RP than before it. */
  #sharedAtMs = Number.NEGATIVE_INFINITY

  constructor({ claimsPerPlace, clock, freePlaces, maxInFlightPerRp, maxWaiting }: WaitingRoomOptions) {
    this.#freePlaces = freePlaces
    this.#maxWaiting = maxWaiting
    this.#clock = clock
    this.#claimsPerPlace = claimsPerPlace
    this.#share = Math.max(Math.floor(maxWaiting * SHARE), maxInFlightPerRp)
    this.#burstMax = Math.floor(maxWaiting * BURST_SHARE_MAX)
  }

  /** An attempt has ended. */
  moved(rp: RelyingParty, nowMs: number): void {
    if (rp === this.#movedLast) return
    if (this.#movedLast !== undefined) this.#sharedAtMs = nowMs
    this.#movedLast = rp
  }

  /** True when one more may wait. Remembers the RPs that have more than their share. */
  mayTake({ rp, isClaimed }: Delivery): boolean {
    if (!isClaimed && !rp.share.isAlone && this.#isShareFull(rp)) return false
    const waiting = isClaimed ? rp.waitingRetry.size : rp.waitingFirst.size
    if (rp.standing.kind === 'new') return waiting < NEW_MAX
    if (!isPrompt(rp)) return waiting < this.#shareNow
    if (waiting < this.#share) return true
    if (waiting >= this.#burstCredit(rp)) return false
    this.#bursting.add(rp)
    return true
  }

  /**
   * How many parked deliveries may be claimed now. None while half of those that may wait do: a claim costs three round
   * trips, for one as for a hundred. `attemptsMax`: that may be under way at this RP.
   */
  roomForClaims(rp: RelyingParty, attemptsMax: number): number {
    const max = rp.standing.kind === 'new' ? NEW_MAX : this.#maxClaimed(rp, attemptsMax)
    const waiting = rp.waitingRetry.size
    return waiting > max / 2 ? 0 : max - waiting
  }

  /** The RPs that use burst credit and have become slow: intake may be waiting for the room that they fill. */
  takeBack(): RelyingParty[] {
    const slow: RelyingParty[] = []
    for (const rp of this.#bursting) {
      const waiting = waitingAt(rp)
      if (waiting > this.#share) {
        if (waiting <= TAKEN_BACK_FACTOR * this.#burstCredit(rp)) continue
        slow.push(rp)
      }
      this.#bursting.delete(rp)
    }
    return slow
  }

  /**
   * So few that the last of them starts well within its lease, even when each attempt before it takes its whole
   * time-out; or what a quick RP takes soon.
   */
  #maxClaimed(rp: RelyingParty, attemptsMax: number): number {
    const inLease = this.#claimsPerPlace * attemptsMax - rp.inFlight
    return Math.max(Math.min(inLease, this.#share), Math.floor(this.#burstCredit(rp) / 2))
  }

  /** Then intake would wait for it; what has been claimed was counted before. */
  #isShareFull({ share }: RelyingParty): boolean {
    return share.left(share.unsettled, this.#maxWaiting - this.#freePlaces(), this.#maxWaiting) < 0
  }

  /** The less, the fuller the room is: its last places are for RPs that are prompt. */
  get #shareNow(): number {
    return (this.#share * this.#freePlaces()) / this.#maxWaiting
  }

  /** 0 for an RP that has not shown that it is quick, or has ended nothing for so long. */
  #burstCredit(rp: RelyingParty): number {
    const now = this.#clock.monotonic()
    if (now - rp.movedAtMs >= BURST_MS) return 0
    const soonTaken = Math.floor(rp.pace.perMs * BURST_MS)
    return now - this.#sharedAtMs < ALONE_MS ? Math.min(soonTaken, this.#burstMax) : soonTaken
  }
}

/** As many attempts are under way as end in the time that each takes. */
function isPrompt({ inFlight, pace }: RelyingParty): boolean {
  return pace.perMs === 0 || inFlight <= pace.perMs * PROMPT_MS
}
