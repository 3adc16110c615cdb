import { ClientLabels, FORMER } from './client-labels.ts'
import type { TalliedCounter, Tally } from './tallied-counter.ts'

/** Counts by RP, of which only so many have a label of their own at one time. */
export class BoundedTallies {
  readonly labels: ClientLabels
  readonly #counter: TalliedCounter<'client_id'>

  constructor(counter: TalliedCounter<'client_id'>, max: number, now?: () => number) {
    this.#counter = counter
    this.labels = new ClientLabels({ max, onLost: (clientId) => this.#fold(clientId), ...(now && { now }) })
  }

  /** For one that is counted now; to be asked for each time. */
  of(clientId: string): Tally {
    return this.#counter.tally({ client_id: this.labels.happened(clientId) })
  }

  #fold(clientId: string): void {
    const count = this.#counter.drop({ client_id: clientId })
    if (count > 0) this.#counter.tally({ client_id: FORMER }).count += count
  }
}
