/** The same numbers from the same seed and name, so that a run with its random moments can be had again. */
export class SeededRandom {
  #state: number

  /** `name`: each scenario has numbers of its own, whichever others run. */
  constructor(seed: number, name: string) {
    this.#state = seed >>> 0
    for (const character of name) this.#state = Math.imul(this.#state ^ character.charCodeAt(0), 0x01000193)
  }

  /** At least 0, less than 1. A multiply-and-shift generator with 32 bits of state. */
  next(): number {
    this.#state = (this.#state + 0x9e3779b9) | 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 16), 0x21f0aaad)
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97)
    return ((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32
  }

  /** A whole number, both ends included. */
  between(min: number, max: number): number {
    return min + Math.floor(this.next() * (max - min + 1))
  }

  pick<T>(items: readonly T[]): T {
    if (items.length === 0) throw new RangeError('nothing to pick from')
    return items[this.between(0, items.length - 1)] as T
  }

  /** Sorted, each at least 0 and less than `end`. */
  moments(count: number, end: number): number[] {
    return Array.from({ length: count }, () => this.next() * end).toSorted((a, b) => a - b)
  }
}
