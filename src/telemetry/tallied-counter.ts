import { Counter, type Registry } from 'prom-client'
import { printable } from '../lib/printable.ts'

/** A count that is raised where something happens. */
export interface Tally {
  count: number
}

export interface MetricName {
  readonly registry: Registry
  /** Without the prefix. */
  readonly name: string
  readonly help: string
}

/** Client ids are among them, which others make up. What looks the same afterwards is to be added up. */
export function shownLabels<T extends Readonly<Record<string, string>>>(labels: T): T {
  return Object.fromEntries(Object.entries(labels).map(([name, value]) => [name, printable(value)])) as T
}

type Labels<L extends string> = Readonly<Record<L, string>>

/**
 * A counter whose numbers are plain ones that the hot path raises; the library gets them only when somebody scrapes.
 * Its own way, from labels to a text to a map, costs more than most of what is counted.
 */
export class TalliedCounter<L extends string = never> extends Counter<L> {
  readonly #tallies = new Map<string, { readonly labels: Labels<L>; readonly tally: Tally }>()

  constructor({ registry, name, help }: MetricName, labelNames: readonly L[] = []) {
    super({ name: `logout_relay_${name}`, help, labelNames: [...labelNames], registers: [registry] })
  }

  /** The count of these labels, to be kept by whoever raises it often. It is shown from now on, from 0 up. */
  tally(labels: Labels<L>): Tally {
    const key = this.#key(labels)
    let entry = this.#tallies.get(key)
    if (entry === undefined) {
      entry = { labels, tally: { count: 0 } }
      this.#tallies.set(key, entry)
    }
    return entry.tally
  }

  /** Shows a tally that somebody else raises. */
  show(labels: Labels<L>, tally: Tally): void {
    this.#tallies.set(this.#key(labels), { labels, tally })
  }

  /** Shows these labels no more. Returns what they had counted. */
  drop(labels: Labels<L>): number {
    const key = this.#key(labels)
    const count = this.#tallies.get(key)?.tally.count ?? 0
    this.#tallies.delete(key)
    return count
  }

  /** A count for each value of one label. */
  tallies<V extends string>(values: readonly V[], labelsOf: (value: V) => Labels<L>): Record<V, Tally> {
    return Object.fromEntries(values.map((value) => [value, this.tally(labelsOf(value))])) as Record<V, Tally>
  }

  /** Called by the library before it reads. */
  collect(): void {
    this.reset()
    for (const { labels, tally } of this.#tallies.values()) this.inc(shownLabels(labels), tally.count)
  }

  #key(labels: Labels<L>): string {
    return this.labelNames.map((name) => labels[name]).join('\n')
  }

  /** The library's type does not show it. */
  declare protected readonly labelNames: readonly L[]
}
