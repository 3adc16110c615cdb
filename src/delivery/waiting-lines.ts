import { Fifo } from '../lib/fifo.ts'
import type { Delivery } from './delivery.ts'
import type { IssuerShare } from './issuer-shares.ts'
import { type RelyingParty, waitingAt } from './relying-party.ts'

export interface WaitingLinesOptions {
  readonly attemptsMax: (rp: RelyingParty) => number
  /** The RPs of that issuer may hold one more place. */
  readonly mayStart: (share: IssuerShare) => boolean
}

/**
 * Deliveries that wait for a place, in two lines for each RP: first attempts, and further ones. The issuers take turns, one
 * attempt each, and the RPs of an issuer take those turns in turn: neither an RP with a thousand waiting deliveries nor an
 * issuer with a thousand RPs stands before one with a single one.
 */
export class WaitingLines {
  /** Those of which an RP has a waiting delivery and may start it; one that is alone stays, to cost nothing. */
  readonly #turns = new Fifo<IssuerShare>()
  readonly #options: WaitingLinesOptions
  #size = 0

  constructor(options: WaitingLinesOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#size
  }

  add(delivery: Delivery): void {
    const { rp, isClaimed } = delivery
    const line = isClaimed ? rp.waitingRetry : rp.waitingFirst
    line.push(delivery)
    this.#size++
    this.giveTurn(rp)
  }

  giveTurn(rp: RelyingParty): void {
    if (rp.hasTurn || waitingAt(rp) === 0 || rp.inFlight >= this.#options.attemptsMax(rp)) return
    rp.hasTurn = true
    const { share } = rp
    share.turns.push(rp)
    if (share.hasTurn) return
    share.hasTurn = true
    this.#turns.push(share)
  }

  /**
   * Takes out the delivery whose turn it is; its RP gets another turn by `giveTurn`. An issuer, or an RP, that may start none
   * now, because it has further attempts alone and there are too many of those, is passed over, so one round is the most
   * there is to do.
   */
  next(mayRetry: boolean): Delivery | undefined {
    for (let left = this.#turns.size; left > 0; left--) {
      const share = this.#turns.peek() as IssuerShare
      const delivery = this.#options.mayStart(share) ? this.#nextOf(share, mayRetry) : undefined
      if (this.#turns.size > 1) {
        this.#turns.shift()
        if (share.turns.size > 0) this.#turns.push(share)
        else share.hasTurn = false
      }
      if (delivery !== undefined) return delivery
    }
    return undefined
  }

  #nextOf({ turns }: IssuerShare, mayRetry: boolean): Delivery | undefined {
    for (let passed = 0; passed < turns.size; ) {
      const rp = turns.shift() as RelyingParty
      if (waitingAt(rp) === 0) {
        rp.hasTurn = false
        continue
      }
      const delivery = nextOf(rp, mayRetry)
      if (delivery !== undefined) {
        rp.hasTurn = false
        this.#size--
        return delivery
      }
      turns.push(rp)
      passed++
    }
    return undefined
  }

  takeAll(rp: RelyingParty): Delivery[] {
    const waiting = [...rp.waitingFirst, ...rp.waitingRetry]
    rp.waitingFirst.clear()
    rp.waitingRetry.clear()
    this.#size -= waiting.length
    return waiting
  }

  endTurns(): void {
    for (const { turns } of this.#turns) turns.clear()
    this.#turns.clear()
  }
}

/** First and further attempts take turns at one RP, as far as there is room for further ones at all. */
function nextOf(rp: RelyingParty, mayRetry: boolean): Delivery | undefined {
  const isRetryNext = mayRetry && rp.waitingRetry.size > 0 && (rp.startedFirst || rp.waitingFirst.size === 0)
  const delivery = isRetryNext ? rp.waitingRetry.shift() : rp.waitingFirst.shift()
  if (delivery !== undefined) rp.startedFirst = !isRetryNext
  return delivery
}
