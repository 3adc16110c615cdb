const INSERTS_MAX = 1_000

/**
 * A string map for entries that come and go by the million. A `Map` that grows or shrinks links its old table to the
 * new one; once an old table is in the old generation, it keeps all later ones alive, with every entry they held at
 * that moment, until the next full garbage collection. That was a third of all that the relay allocated. So entries
 * are put into a new map now and then, and the old one dies as a whole when its last entry is gone.
 */
export class ChurningMap<V> {
  #young = new Map<string, V>()
  #old: Map<string, V>[] = []
  #inserts = 0
  #size = 0

  get size(): number {
    return this.#size
  }

  get(key: string): V | undefined {
    const value = this.#young.get(key)
    if (value !== undefined || this.#old.length === 0) return value
    for (const map of this.#old) {
      const found = map.get(key)
      if (found !== undefined) return found
    }
    return undefined
  }

  set(key: string, value: V): void {
    for (const map of this.#old) {
      if (!map.has(key)) continue
      map.set(key, value)
      return
    }
    if (++this.#inserts > INSERTS_MAX) this.#renew()
    if (!this.#young.has(key)) this.#size++
    this.#young.set(key, value)
  }

  delete(key: string): void {
    if (this.#young.delete(key)) {
      this.#size--
      return
    }
    for (const map of this.#old) {
      if (!map.delete(key)) continue
      this.#size--
      if (map.size === 0) this.#old = this.#old.filter((it) => it !== map)
      return
    }
  }

  *values(): IterableIterator<V> {
    for (const map of this.#old) yield* map.values()
    yield* this.#young.values()
  }

  #renew(): void {
    if (this.#young.size > 0) this.#old.push(this.#young)
    this.#young = new Map()
    this.#inserts = 1
  }
}
