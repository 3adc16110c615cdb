import { Fifo } from '../lib/fifo.ts'
import type { RelyingParty } from './relying-party.ts'

/** Of each bound, for those that have not had their share yet: nobody takes more than his share of it. */
const KEPT_SHARE = 1 / 2
/** No share is smaller than if there were so many issuers: it must have room for the deliveries of one session. */
const SHARES_MAX = 32
/** After so many looks, a minute, without a delivery an issuer does not count: nothing is kept for it. */
const ACTIVE_LOOKS = 1_200

/** What the RPs of one issuer take, all together, of the bounds that all issuers share. */
export class IssuerShare {
  /** Its RPs that have a waiting delivery and may start it. */
  readonly turns = new Fifo<RelyingParty>()
  /** It stands among the issuers that take turns. */
  hasTurn = false
  /** Registrations whose deliveries are counted by `OpenDeliveries`. */
  unsettled = 0
  /** Places for claimed deliveries: taken, or reserved by claims under way. */
  claimPlaces = 0
  /** Claims found none left of its share. */
  areClaimPlacesSought = false
  /** Places for attempts. */
  places = 0
  /** Of its RPs that are not quick: places, attempts without a place, places kept for claims, starts since the last look. */
  unproven = 0
  lingering = 0
  claiming = 0
  startedSinceLook = 0
  relyingParties = 0
  isActive = false
  /** Looks since its last delivery. */
  idleLooks = 0
  readonly #shares: IssuerShares

  constructor(shares: IssuerShares) {
    this.#shares = shares
  }

  /** It has something to send. */
  seen(): void {
    this.idleLooks = 0
    if (!this.isActive) this.#shares.activate(this)
  }

  /** No other issuer has had anything to send lately. */
  get isAlone(): boolean {
    return this.#othersActive === 0
  }

  /**
   * How much more of a bound this issuer may take: what is left of its share, or of what is not kept for those that have
   * not had theirs. Without a bound, and so unlimited, while it is alone. `own`, `all`: what is taken of `max`.
   */
  left(own: number, all: number, max: number): number {
    const others = this.#othersActive
    if (others === 0) return Number.POSITIVE_INFINITY
    return Math.max(this.of(max) - own, Math.floor(max * (1 - KEPT_SHARE)) - all)
  }

  /** Its share of a bound. */
  of(max: number): number {
    return Math.ceil(max / Math.min(this.#othersActive + 1, SHARES_MAX))
  }

  get #othersActive(): number {
    return this.#shares.active - (this.isActive ? 1 : 0)
  }
}

/**
 * The issuers that have RPs here. While several have something to send, one takes no more than its share of what they
 * share: one with ten thousand RPs and a mass logout holds up none of the others.
 */
export class IssuerShares {
  readonly #byIssuer = new Map<string, IssuerShare>()
  readonly #active = new Set<IssuerShare>()

  /** Issuers that had a delivery lately. */
  get active(): number {
    return this.#active.size
  }

  /** Of an issuer that has RPs here. */
  get(issuer: string): IssuerShare | undefined {
    return this.#byIssuer.get(issuer)
  }

  /** Of an issuer that has one RP more. */
  join(issuer: string): IssuerShare {
    let share = this.#byIssuer.get(issuer)
    if (share === undefined) {
      share = new IssuerShare(this)
      this.#byIssuer.set(issuer, share)
    }
    share.relyingParties++
    return share
  }

  /** An RP is forgotten. */
  leave({ issuer, share }: RelyingParty): void {
    if (--share.relyingParties > 0) return
    this.#byIssuer.delete(issuer)
    this.#deactivate(share)
  }

  activate(share: IssuerShare): void {
    share.isActive = true
    this.#active.add(share)
  }

  /** To be called twenty times a second. */
  look(): void {
    for (const share of this.#active) {
      share.startedSinceLook = 0
      if (++share.idleLooks > ACTIVE_LOOKS) this.#deactivate(share)
    }
  }

  #deactivate(share: IssuerShare): void {
    share.isActive = false
    this.#active.delete(share)
  }
}

/** One RP of each issuer, then the next of each; those of one issuer as they came. */
export function issuersInTurn(rps: readonly RelyingParty[]): readonly RelyingParty[] {
  const byIssuer = new Map<IssuerShare, RelyingParty[]>()
  for (const rp of rps) {
    const ofIssuer = byIssuer.get(rp.share)
    if (ofIssuer === undefined) byIssuer.set(rp.share, [rp])
    else ofIssuer.push(rp)
  }
  if (byIssuer.size < 2) return rps
  const inTurn: RelyingParty[] = []
  let left = [...byIssuer.values()]
  for (let round = 0; left.length > 0; round++) {
    for (const ofIssuer of left) inTurn.push(ofIssuer[round] as RelyingParty)
    left = left.filter(({ length }) => length > round + 1)
  }
  return inTurn
}
