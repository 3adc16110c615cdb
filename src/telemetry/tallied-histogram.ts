import { Histogram } from 'prom-client'
import type { MetricName } from './tallied-counter.ts'

/** A histogram without labels that counts in plain arrays; see `TalliedCounter`. */
export class TalliedHistogram extends Histogram {
  readonly #bounds: readonly number[]
  /** One more than there are bounds: what is above all of them. */
  readonly #counts: Float64Array
  readonly #named: { readonly fullName: string; readonly help: string }
  #sum = 0

  constructor({ registry, name, help }: MetricName, bounds: readonly number[]) {
    const fullName = `logout_relay_${name}`
    super({ name: fullName, help, buckets: [...bounds], registers: [registry] })
    this.#named = { fullName, help }
    this.#bounds = bounds
    this.#counts = new Float64Array(bounds.length + 1)
  }

  add(value: number): void {
    const bounds = this.#bounds
    let i = 0
    while (i < bounds.length && value > (bounds[i] as number)) i++
    this.#counts[i] = (this.#counts[i] as number) + 1
    this.#sum += value
  }

  /** What the library calls to read it, whatever the form. */
  async getForPromString() {
    const { fullName: name, help } = this.#named
    const values = []
    let count = 0
    for (const [i, inBucket] of this.#counts.entries()) {
      count += inBucket
      values.push(sample(`${name}_bucket`, count, { le: this.#bounds[i] ?? '+Inf' }))
    }
    values.push(sample(`${name}_sum`, this.#sum), sample(`${name}_count`, count))
    return { name, help, type: 'histogram', aggregator: 'sum', values }
  }
}

function sample(metricName: string, value: number, labels = {}) {
  return { metricName, value, labels, sharedLabels: {} }
}
