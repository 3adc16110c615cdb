import { Counter, type CounterConfiguration } from 'prom-client'
import { printable } from '../lib/printable.ts'
import { ClientLabels, FORMER } from './client-labels.ts'

export interface ClientFailuresOptions extends CounterConfiguration<'client_id'> {
  /** RPs with a label of their own at one time. */
  readonly clientsMax: number
  /** Milliseconds on a clock that only goes forward. */
  readonly now?: () => number
}

/** Counts failures by RP, of which only so many have a label of their own at one time. */
export class ClientFailures extends Counter<'client_id'> {
  readonly clients: ClientLabels
  readonly #counts = new Map<string, number>()

  constructor({ clientsMax, now, ...configuration }: ClientFailuresOptions) {
    super({ ...configuration, labelNames: ['client_id'] })
    this.clients = new ClientLabels({
      max: clientsMax,
      onLost: (clientId) => this.#fold(clientId),
      ...(now && { now }),
    })
  }

  failed(clientId: string): void {
    this.#add(this.clients.happened(clientId), 1)
  }

  /** Called by the library before it reads. Two RPs whose labels look the same are added up. */
  collect(): void {
    this.reset()
    for (const [clientId, count] of this.#counts) this.inc({ client_id: printable(clientId) }, count)
  }

  #add(label: string, count: number): void {
    this.#counts.set(label, (this.#counts.get(label) ?? 0) + count)
  }

  #fold(clientId: string): void {
    const count = this.#counts.get(clientId)
    if (count === undefined) return
    this.#counts.delete(clientId)
    this.#add(FORMER, count)
  }
}
