import type { Registration } from '../events/registration.ts'
import { ChurningMap } from '../lib/churning-map.ts'
import { Gate } from '../lib/gate.ts'
import { type Delivery, registrationKey, type SourceRecord } from './delivery.ts'
import type { IssuerShare } from './issuer-shares.ts'
import type { RelyingParty } from './relying-party.ts'

/** Below that part of the bound, intake may go on; the gap makes it go on with more than one record. */
const REOPEN_SHARE = 0.75
/** Of the bound, always for claims; they take more while intake leaves more. */
const CLAIM_SHARE = 0.5
/** Of what claims always have: a look for due deliveries costs round trips, for one as for many. */
const WORTH_A_LOOK = 0.25

/**
 * The deliveries that this replica is working on, from their start to their settlement, by registration. Two
 * triggers for one session (a termination and a sign-out, or a record that came twice) meet here: the second joins
 * the delivery of the first instead of sending again.
 */
export class OpenDeliveries {
  /** Open while there is room for more; intake waits for it. */
  readonly room = new Gate(true)
  readonly #byRegistration = new ChurningMap<Delivery>()
  readonly #max: number
  readonly #maxClaimed: number
  readonly #onClaimPlaces: () => void
  #claimed = 0
  #reserved = 0
  /** Claims found no place. */
  #isClaimPlaceSought = false
  /** Those that no bound counts. */
  readonly #aside = new Set<Delivery>()
  #asideSize = 0
  /** Outcomes without a delivery that are not final yet. */
  #outcomes = 0

  /** `onClaimPlaces` is called when parked deliveries may be claimed again after there was no place for them. */
  constructor(max: number, onClaimPlaces: () => void) {
    this.#max = max
    this.#maxClaimed = Math.ceil(max * CLAIM_SHARE)
    this.#onClaimPlaces = onClaimPlaces
  }

  get size(): number {
    return this.#byRegistration.size
  }

  /** Each once, whatever number of registrations it has. */
  all(): Set<Delivery> {
    return new Set(this.#byRegistration.values())
  }

  /**
   * When the longest held one was taken up, as `sinceMs` tells it of an issuer and a deadline; `undefined` when there is none.
   * Milliseconds since the epoch.
   */
  oldestSinceMs(sinceMs: (issuer: string, deadlineMs: number) => number): number | undefined {
    let oldest: number | undefined
    for (const { deadlineMs, rp } of this.#byRegistration.values()) {
      const since = sinceMs(rp.issuer, deadlineMs)
      if (oldest === undefined || since < oldest) oldest = since
    }
    return oldest
  }

  /**
   * How many parked deliveries may be claimed now. Half of the bound is theirs, so that intake cannot keep them out; beyond
   * that they take what leaves intake open, and no more, so that they do not pile up when outcomes cannot be published.
   */
  get claimPlaces(): number {
    const own = this.#maxClaimed - this.#claimed
    const left = Math.floor(this.#max * REOPEN_SHARE) - 1 - this.#bounded
    return Math.max(Math.max(own, left) - this.#reserved, 0)
  }

  /** Keeps places for a claim at this RP that is under way: at most so many as are wanted. */
  reserve({ share }: RelyingParty, wanted: number): number {
    const left = this.claimPlaces
    const leftToIssuer = this.#claimPlacesOf(share)
    const places = Math.min(wanted, left, leftToIssuer)
    if (left < wanted) this.#isClaimPlaceSought = true
    if (leftToIssuer < wanted) share.areClaimPlacesSought = true
    this.#reserved += places
    share.claimPlaces += places
    return places
  }

  unreserve({ share }: RelyingParty, places: number): void {
    this.#reserved -= places
    share.claimPlaces -= places
  }

  /** How many more there is room for; 0 when there are more than there should be. */
  get places(): number {
    return Math.max(this.#max - this.#bounded, 0)
  }

  /** Half of the room is taken; while others are told too, half of what the issuer may have of it as well. */
  isHalfFullFor(share: IssuerShare | undefined): boolean {
    if (share === undefined || this.#bounded < this.#max / 2) return false
    return share.isAlone || share.unsettled >= share.of(this.#max) / 2
  }

  /** How many more of this issuer there is room for, of which a part is kept for others. Without a bound while it is alone. */
  placesFor(share: IssuerShare): number {
    return share.left(share.unsettled, this.#bounded, this.#max)
  }

  /** True when the registration is being delivered already; the record then waits for that delivery. */
  join(registration: Registration, sourceRecord: SourceRecord | undefined): boolean {
    const open = this.#byRegistration.get(nameOf(registration))
    if (open === undefined) return false
    if (sourceRecord !== undefined) open.sourceRecords.push(sourceRecord)
    return true
  }

  add(delivery: Delivery): void {
    this.#count(delivery, 1)
    this.#byRegistration.set(nameOf(delivery.registration), delivery)
    for (const coalesced of delivery.coalesced) {
      this.#byRegistration.set(nameOf(coalesced), delivery)
    }
    this.#close()
  }

  /** An outcome that was decided without a delivery waits to be published. Returns what is to be called when it is final. */
  addOutcome({ isClaimed }: { readonly isClaimed: boolean }): () => void {
    this.#outcomes++
    if (isClaimed) this.#claimed++
    this.#close()
    return () => {
      this.#outcomes--
      if (isClaimed) this.#claimed--
      this.#reopen()
    }
  }

  /**
   * Takes a delivery out of the bounds, though not off the books: its attempt may hang, or it cannot be parked, and a thousand
   * of those must not stop intake and claims. What bounds them is the dispatcher.
   */
  setAside(delivery: Delivery): void {
    if (this.#aside.has(delivery)) return
    this.#aside.add(delivery)
    this.#asideSize += 1 + delivery.coalesced.length
    this.#count(delivery, -1)
    this.#reopen(delivery.rp.share)
  }

  /** What was set aside has ended: it waits for its outcome to be published, and counts as all others that do. */
  takeBack(delivery: Delivery): void {
    if (!this.#leaveAside(delivery)) return
    this.#count(delivery, 1)
    this.#close()
  }

  /** Ends a delivery: settled, or parked and in the hands of whoever claims it. */
  settle(delivery: Delivery): void {
    if (!this.#leaveAside(delivery)) this.#count(delivery, -1)
    this.#byRegistration.delete(nameOf(delivery.registration))
    for (const coalesced of delivery.coalesced) this.#byRegistration.delete(nameOf(coalesced))
    this.#reopen(delivery.rp.share)
    for (const sourceRecord of delivery.sourceRecords) sourceRecord.acknowledge()
  }

  get #bounded(): number {
    return this.#byRegistration.size - this.#asideSize + this.#outcomes
  }

  #count({ coalesced, isClaimed, rp: { share } }: Delivery, change: 1 | -1): void {
    share.unsettled += change * (1 + coalesced.length)
    if (!isClaimed) return
    this.#claimed += change
    share.claimPlaces += change
  }

  /** None as long as they are too few: a claim costs round trips, for one as for many. */
  #claimPlacesOf(share: IssuerShare): number {
    const left = share.left(share.claimPlaces, this.#claimed + this.#reserved, this.#maxClaimed)
    return left < Math.min(share.of(this.#maxClaimed), this.#maxClaimed * WORTH_A_LOOK) ? 0 : left
  }

  #leaveAside(delivery: Delivery): boolean {
    if (this.#aside.size === 0 || !this.#aside.delete(delivery)) return false
    this.#asideSize -= 1 + delivery.coalesced.length
    return true
  }

  #close(): void {
    if (this.#bounded >= this.#max) this.room.close()
  }

  #reopen(share?: IssuerShare): void {
    if (this.#bounded < this.#max * REOPEN_SHARE) this.room.open()
    if (!this.#isClaimPlaceSought && share?.areClaimPlacesSought !== true) return
    if (this.claimPlaces < this.#maxClaimed * WORTH_A_LOOK) return
    if (share?.areClaimPlacesSought === true) {
      if (this.#claimPlacesOf(share) === 0) return
      share.areClaimPlacesSought = false
    }
    this.#isClaimPlaceSought = false
    this.#onClaimPlaces()
  }
}

/** The same ids may be used again after a logout: that is another registration, and another delivery. */
function nameOf(registration: Registration): string {
  return `${registrationKey(registration)}\n${registration.registeredAtMs}`
}
