const PAGE_BYTES = 4_096
const PAGE_OFFSETS = PAGE_BYTES * 8

/** A set of offsets of one partition, one bit each: a log may hold millions of them. */
export class OffsetSet {
  readonly #from: number
  readonly #pages = new Map<number, Uint8Array>()

  /** No offset below `from` may be added. */
  constructor(from: number) {
    this.#from = from
  }

  add(offset: number): void {
    const at = offset - this.#from
    if (at < 0) return
    const page = Math.floor(at / PAGE_OFFSETS)
    let bits = this.#pages.get(page)
    if (bits === undefined) {
      bits = new Uint8Array(PAGE_BYTES)
      this.#pages.set(page, bits)
    }
    const bit = at % PAGE_OFFSETS
    bits[bit >> 3] = (bits[bit >> 3] as number) | (1 << (bit & 7))
  }

  has(offset: number): boolean {
    const at = offset - this.#from
    const bit = at % PAGE_OFFSETS
    const byte = this.#pages.get(Math.floor(at / PAGE_OFFSETS))?.[bit >> 3]
    return byte !== undefined && (byte & (1 << (bit & 7))) !== 0
  }
}
