import type { Delivery } from './delivery.ts'

/**
 * The attempts that hold a place, in the order in which they began. The links stand in the deliveries, so that to take a
 * place and to give it back, which every attempt does, costs next to nothing.
 */
export class Places {
  #first: Delivery | undefined
  #last: Delivery | undefined
  #size = 0

  get size(): number {
    return this.#size
  }

  take(delivery: Delivery, look: number): void {
    delivery.placeIn = this
    delivery.startedAtLook = look
    delivery.placeBefore = this.#last
    if (this.#last === undefined) this.#first = delivery
    else this.#last.placeAfter = delivery
    this.#last = delivery
    this.#size++
  }

  /** False when it holds none here (any more). */
  giveBack(delivery: Delivery): boolean {
    if (delivery.placeIn !== this) return false
    const { placeBefore, placeAfter } = delivery
    if (placeBefore === undefined) this.#first = placeAfter
    else placeBefore.placeAfter = placeAfter
    if (placeAfter === undefined) this.#last = placeBefore
    else placeAfter.placeBefore = placeBefore
    delivery.placeIn = undefined
    delivery.placeBefore = undefined
    delivery.placeAfter = undefined
    this.#size--
    return true
  }

  /** Takes the place of the oldest back when it began no later than at that look. */
  takeOldest(untilLook: number): Delivery | undefined {
    const oldest = this.#first
    if (oldest === undefined || oldest.startedAtLook > untilLook) return undefined
    this.giveBack(oldest)
    return oldest
  }
}
