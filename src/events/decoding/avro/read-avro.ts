import { isUtf8 } from 'node:buffer'
import type { AvroType } from './avro-type.ts'

export type AvroResult =
  | { readonly kind: 'json'; readonly json: unknown }
  /** `problem`: for people, without a word of the value. */
  | { readonly kind: 'malformed'; readonly problem: string }

/** Of a type that contains itself, a few bytes can nest values as deep as they like. */
const DEPTH_MAX = 64
/** Values that take no byte, such as those of an array of nulls, are counted too. */
const VALUES_MIN = 10_000
const VALUES_PER_BYTE = 4
/** Far beyond any precision; converting a long one to digits takes time that grows with its square. */
const DECIMAL_BYTES_MAX = 128

/**
 * Decodes the binary form of one value (Avro 1.12) to what JSON would hold: a union as the value itself, an enum as its
 * symbol, a map as an object; bytes and fixed as base64, a fixed UUID in its text form, a decimal as its digits; dates and times
 * as the numbers that stand there. A long beyond the integers that a number holds exactly is the text of its digits.
 */
export function readAvro(type: AvroType, bytes: Buffer): AvroResult {
  const reader = new Reader(bytes)
  try {
    const json = reader.value(type, 0)
    const { left } = reader
    return left === 0 ? { kind: 'json', json } : { kind: 'malformed', problem: `${left} bytes are left over` }
  } catch (error) {
    // Anything else is a gap of this reader: the partition must go on, and the record must not be lost.
    return { kind: 'malformed', problem: error instanceof Malformed ? error.message : 'it cannot be read' }
  }
}

class Malformed extends Error {}

class Reader {
  readonly #bytes: Buffer
  #at = 0
  #valuesLeft: number

  constructor(bytes: Buffer) {
    this.#bytes = bytes
    this.#valuesLeft = VALUES_MIN + VALUES_PER_BYTE * bytes.length
  }

  get left(): number {
    return this.#bytes.length - this.#at
  }

  value(type: AvroType, depth: number): unknown {
    if (--this.#valuesLeft < 0) throw new Malformed('it has more values than its bytes can mean')
    if (depth > DEPTH_MAX) throw new Malformed(`its values are nested more than ${DEPTH_MAX} deep`)
    switch (type.kind) {
      case 'null':
        return null
      case 'boolean':
        return this.#choice(this.#take(1)[0], [false, true])
      case 'int':
      case 'long':
        return this.#long()
      case 'float':
        return this.#take(4).readFloatLE()
      case 'double':
        return this.#take(8).readDoubleLE()
      case 'string':
        return this.#text()
      case 'bytes':
        return this.#take(this.#length()).toString('base64')
      case 'decimal':
        return digitsOf(this.#take(type.size ?? this.#length()), type.scale)
      case 'fixed': {
        const bytes = this.#take(type.size)
        return type.isUuid ? uuidOf(bytes) : bytes.toString('base64')
      }
      case 'enum':
        return this.#choice(this.#long(), type.symbols)
      case 'union':
        return this.value(this.#choice(this.#long(), type.branches), depth + 1)
      case 'array':
        return this.#blocks(() => this.value(type.items, depth + 1))
      case 'map':
        return Object.fromEntries(this.#blocks(() => [this.#text(), this.value(type.values, depth + 1)]))
      case 'record':
        // Not by assignment: a field may be named `__proto__`.
        return Object.fromEntries(type.fields.map((it) => [it.name, this.value(it.type, depth + 1)]))
      default:
        return type satisfies never
    }
  }

  #choice<T>(index: unknown, of: readonly T[]): T {
    if (typeof index !== 'number' || !(index >= 0 && index < of.length))
      throw new Malformed('it chooses something that its type does not have')
    return of[index] as T
  }

  /** Blocks of items, each with their number before it; a negative one has the bytes of its block behind it. */
  #blocks<T>(item: () => T): T[] {
    const items: T[] = []
    for (let count = this.#count(); count !== 0; count = this.#count()) {
      if (count < 0) this.#length()
      for (let left = Math.abs(count); left > 0; left--) items.push(item())
    }
    return items
  }

  #count(): number {
    const count = this.#long()
    if (typeof count !== 'number') throw new Malformed('it has a list without an end')
    return count
  }

  #text(): string {
    const bytes = this.#take(this.#length())
    // Invalid bytes would silently become U+FFFD in an id, which then names another session.
    if (!isUtf8(bytes)) throw new Malformed('a text of it is not UTF-8')
    return bytes.toString('utf8')
  }

  #length(): number {
    const length = this.#long()
    if (typeof length !== 'number' || length < 0 || length > this.left)
      throw new Malformed('a length in it goes beyond its end')
    return length
  }

  #take(length: number): Buffer {
    if (length > this.left) throw new Malformed('it ends too early')
    const start = this.#at
    this.#at += length
    return this.#bytes.subarray(start, this.#at)
  }

  /** Zigzag, seven bits a byte, the lowest first. As text where a number would not be exact. */
  #long(): number | string {
    let value = 0
    for (let factor = 1; factor < 2 ** 49; factor *= 128) {
      const byte = this.#byte()
      value += (byte & 0x7f) * factor
      if (byte < 0x80) return value % 2 === 0 ? value / 2 : -(value + 1) / 2
    }
    let large = BigInt(value)
    for (let shift = 49n; shift < 70n; shift += 7n) {
      const byte = this.#byte()
      large |= BigInt(byte & 0x7f) << shift
      if (byte >= 0x80) continue
      if (large >> 64n !== 0n) break
      const signed = (large >> 1n) ^ -(large & 1n)
      return Number.isSafeInteger(Number(signed)) ? Number(signed) : signed.toString()
    }
    throw new Malformed('a number in it has more than 64 bits')
  }

  #byte(): number {
    const byte = this.#bytes[this.#at++]
    if (byte === undefined) throw new Malformed('it ends too early')
    return byte
  }
}

/** Of a number in two's complement, the highest byte first, without its last `scale` digits before the point. */
function digitsOf(bytes: Buffer, scale: number): string {
  if (bytes.length > DECIMAL_BYTES_MAX)
    throw new Malformed(`a decimal in it has more than ${DECIMAL_BYTES_MAX} bytes`)
  const unsigned = bytes.length === 0 ? 0n : BigInt(`0x${bytes.toString('hex')}`)
  const value = BigInt.asIntN(Math.max(bytes.length * 8, 1), unsigned)
  if (scale === 0) return value.toString()
  const digits = (value < 0n ? -value : value).toString().padStart(scale + 1, '0')
  return `${value < 0n ? '-' : ''}${digits.slice(0, -scale)}.${digits.slice(-scale)}`
}

function uuidOf(bytes: Buffer): string {
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}
