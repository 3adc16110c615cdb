import { Counter, type CounterConfiguration } from 'prom-client'
import { printable } from '../lib/printable.ts'
import { ClientLabels, FORMER } from './client-labels.ts'

export interface ClientFailuresOptions extends CounterConfiguration<'issuer' | 'client_id'> {
  /** RPs with a label of their own at one time. */
  readonly clientsMax: number
  /** Milliseconds on a clock that only goes forward. */
  readonly now?: () => number
}

/** Counts failures by RP, of which only so many have a label of their own at one time. */
export class ClientFailures extends Counter<'issuer' | 'client_id'> {
  readonly clients: ClientLabels
  readonly #counts = new Map<string, number>()

  constructor({ clientsMax, now, ...configuration }: ClientFailuresOptions) {
    super({ ...configuration, labelNames: ['issuer', 'client_id'] })
    this.clients = new ClientLabels({
      max: clientsMax,
      onLost: (rpKey) => this.#fold(rpKey),
      ...(now && { now }),
    })
  }

  /** `rpKey`: `<issuer>|<clientId>`. */
  failed(rpKey: string): void {
    this.#add(this.clients.happened(rpKey), 1)
  }

  /** Called by the library before it reads. Two RPs whose labels look the same are added up. */
  collect(): void {
    this.reset()
    for (const [label, count] of this.#counts) this.inc(clientLabels(label), count)
  }

  #add(label: string, count: number): void {
    this.#counts.set(label, (this.#counts.get(label) ?? 0) + count)
  }

  #fold(rpKey: string): void {
    const count = this.#counts.get(rpKey)
    if (count === undefined) return
    this.#counts.delete(rpKey)
    this.#add(FORMER, count)
  }
}

/** Of `<issuer>|<clientId>`, or of what stands for many. */
export function clientLabels(label: string): { issuer: string; client_id: string } {
  const bar = label.indexOf('|')
  return { issuer: printable(label.slice(0, Math.max(bar, 0))), client_id: printable(label.slice(bar + 1)) }
}
