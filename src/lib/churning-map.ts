const INSERTS_MAX = 1_000

/**
 * A string map for millions of short-lived entries. A `Map` that grows or shrinks links its old table to the new one. An old
 * table in the old generation keeps all later tables alive, with their entries, until the next full garbage collection. That
 * was a third of all memory that the relay allocated. So entries regularly go into a new map, and an old map is dropped when
 * it is empty.
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
