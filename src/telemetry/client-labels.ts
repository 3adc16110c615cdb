/** Stands for all RPs that have no label of their own. */
const OTHERS = '(others)'
/** Holds what RPs counted that have given up their labels, so that the sum never goes back. It moves only with them. */
export const FORMER = '(former)'

interface Weight {
  /** What has happened at the RP, the longer ago the less. */
  happened: number
  /** What is owed to it now. */
  owed: number
}

export interface ClientLabelsOptions {
  readonly max: number
  /** Told of each RP whose label another one needs more. */
  readonly onLost: (rpKey: string) => void
  /** Milliseconds on a clock that only goes forward. */
  readonly now?: () => number
}

const TURN_MS = 15_000
/** Half of what happened is forgotten after some seven minutes. */
const KEPT_PER_TURN = 0.975
/** Too light to matter to anybody. */
const FORGOTTEN_BELOW = 0.5
/** An RP must weigh so many times more than the one whose label it takes, or equals would take turns. */
const HEAVIER = 2
/** Labels that change hands: some at once, and twenty in an hour. A time series stays in Prometheus for as long as its data. */
const CHANGES_AT_ONCE = 10
const CHANGES_PER_TURN = (20 * TURN_MS) / 3_600_000
/** Of the RPs without a label, so many are weighed. */
const WEIGHED_MAX = 5_000

/**
 * Which RPs are named by the metrics: whoever may register RPs must neither fill Prometheus with them, nor hide the
 * troubles of a real RP behind those of a hundred made-up ones. The first RPs get a label as they come; afterwards one
 * with more troubles takes it from one with less, and labels change hands only so often.
 */
export class ClientLabels {
  readonly #options: ClientLabelsOptions
  readonly #now: () => number
  readonly #labelled = new Map<string, Weight>()
  readonly #others = new Map<string, Weight>()
  #changes = CHANGES_AT_ONCE
  #turnAtMs: number

  constructor(options: ClientLabelsOptions) {
    this.#options = options
    this.#now = options.now ?? (() => performance.now())
    this.#turnAtMs = this.#now()
  }

  /** The label of an RP: its key, or the one that stands for many. */
  of(rpKey: string): string {
    return this.#labelled.has(rpKey) ? rpKey : OTHERS
  }

  /** Something went wrong at the RP. Returns its label. */
  happened(rpKey: string): string {
    const weight = this.#weigh(rpKey)
    if (weight !== undefined) weight.happened++
    this.#turn()
    return this.of(rpKey)
  }

  /** What is owed now, by RP; whoever is not named is owed nothing. */
  owed(amounts: ReadonlyMap<string, number>): void {
    for (const weights of [this.#labelled, this.#others]) {
      for (const weight of weights.values()) weight.owed = 0
    }
    // Where there is room for some only, it is for those with the most.
    for (const [rpKey, amount] of [...amounts].sort(([, a], [, b]) => b - a)) {
      const weight = this.#weigh(rpKey)
      if (weight !== undefined) weight.owed = amount
    }
    this.#turn()
  }

  /** Gives a label while there is one to give. Undefined for one too many. */
  #weigh(rpKey: string): Weight | undefined {
    const known = this.#labelled.get(rpKey) ?? this.#others.get(rpKey)
    if (known !== undefined || rpKey === OTHERS || rpKey === FORMER) return known
    const weight = { happened: 0, owed: 0 }
    if (this.#labelled.size < this.#options.max) this.#labelled.set(rpKey, weight)
    else if (this.#others.size < WEIGHED_MAX) this.#others.set(rpKey, weight)
    else return undefined
    return weight
  }

  #turn(): void {
    const turns = Math.floor((this.#now() - this.#turnAtMs) / TURN_MS)
    if (turns < 1) return
    this.#turnAtMs += turns * TURN_MS
    this.#changes = Math.min(this.#changes + turns * CHANGES_PER_TURN, CHANGES_AT_ONCE)
    for (const weights of [this.#labelled, this.#others]) {
      for (const weight of weights.values()) weight.happened *= KEPT_PER_TURN ** turns
    }
    for (const [rpKey, weight] of this.#others) {
      if (total(weight) < FORGOTTEN_BELOW) this.#others.delete(rpKey)
    }
    while (this.#changes >= 1 && this.#change()) this.#changes--
  }

  #change(): boolean {
    const heaviest = extreme(this.#others, (a, b) => a > b)
    const lightest = extreme(this.#labelled, (a, b) => a < b)
    if (heaviest === undefined || lightest === undefined) return false
    const [gains, more] = heaviest
    const [loses, less] = lightest
    if (total(more) <= HEAVIER * total(less)) return false
    this.#labelled.delete(loses)
    this.#others.delete(gains)
    this.#labelled.set(gains, more)
    this.#others.set(loses, less)
    this.#options.onLost(loses)
    return true
  }
}

function total({ happened, owed }: Weight): number {
  return happened + owed
}

function extreme(
  weights: ReadonlyMap<string, Weight>,
  isMore: (a: number, b: number) => boolean,
): [rpKey: string, weight: Weight] | undefined {
  let found: [string, Weight] | undefined
  for (const entry of weights) {
    if (found === undefined || isMore(total(entry[1]), total(found[1]))) found = entry
  }
  return found
}
