import { Fifo } from '../lib/fifo.ts'
import type { Delivery } from './delivery.ts'
import { type RelyingParty, waitingAt } from './relying-party.ts'

/**
 * Deliveries that wait for a place, in two lines for each RP: first attempts, and further ones. The RPs take turns, one
 * attempt each, so that one with a thousand waiting deliveries does not stand before one with a single one.
 */
export class WaitingLines {
  /** RPs that have a waiting delivery and may start it. */
  readonly #turns = new Fifo<RelyingParty>()
  readonly #attemptsMax: (rp: RelyingParty) => number
  #size = 0

  constructor(attemptsMax: (rp: RelyingParty) => number) {
    this.#attemptsMax = attemptsMax
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
    if (rp.hasTurn || waitingAt(rp) === 0 || rp.inFlight >= this.#attemptsMax(rp)) return
    rp.hasTurn = true
    this.#turns.push(rp)
  }

  /**
   * Takes out the delivery whose turn it is; its RP gets another turn by `giveTurn`. An RP that may start none now, because
   * it has further attempts alone and there are too many of those, is passed over, so one round is the most there is to do.
   */
  next(mayRetry: boolean): Delivery | undefined {
    for (let passed = 0; passed < this.#turns.size; ) {
      const rp = this.#turns.shift() as RelyingParty
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
      this.#turns.push(rp)
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
