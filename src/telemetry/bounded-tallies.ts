import type { TalliedCounter, Tally } from './tallied-counter.ts'

/** Stands for all that had no place of its own. */
const OTHERS = '(others)'

/** Counts by RP, of which only so many get a label of their own: whoever may register RPs must not fill Prometheus. */
export class BoundedTallies {
  readonly #counter: TalliedCounter<'client_id'>
  readonly #known = new Map<string, Tally>()
  readonly #max: number

  constructor(counter: TalliedCounter<'client_id'>, max: number) {
    this.#counter = counter
    this.#max = max
  }

  /** The first ones counted keep their labels until the process ends. */
  of(clientId: string): Tally {
    let tally = this.#known.get(clientId)
    if (tally !== undefined) return tally
    if (this.#known.size >= this.#max) return this.#counter.tally({ client_id: OTHERS })
    tally = this.#counter.tally({ client_id: clientId })
    this.#known.set(clientId, tally)
    return tally
  }
}
