/*
 * kafkajs decodes a record with 64-bit objects for every number and a new object per header. Half of what the relay
 * reads are its own outcomes, of which it wants nothing but the type. The same result, but read when it is asked for.
 */

interface Decoder {
  readonly buffer: Buffer
  offset: number
}

interface BatchContext {
  readonly firstOffset: string
  readonly firstTimestamp: string
  readonly maxTimestamp: string
  readonly magicByte: number
  readonly isControlBatch?: boolean
  /** 1: the broker stamped the whole batch. */
  readonly timestampType: number
}

type HeaderValue = Buffer | null

type Headers = Record<string, HeaderValue | HeaderValue[]>

const LOG_APPEND_TIME = 1

/** Record => Attributes TimestampDelta OffsetDelta Key Value [HeaderKey HeaderValue], Kafka's record format v2. */
export function decodeRecord({ buffer, offset }: Decoder, context: BatchContext): DecodedRecord {
  return new DecodedRecord(new Reader(buffer, offset), context)
}

/**
 * What kafkajs gives for a record; key, value and headers are read from the bytes each time they are asked for. They
 * are not kept: a record that has waited for its turn is in the old generation, and would keep them until the next
 * full garbage collection.
 */
export class DecodedRecord {
  readonly attributes: number
  readonly offset: string
  readonly batchContext: BatchContext
  readonly #timestampDelta: number
  readonly #reader: Reader
  readonly #contentAt: number

  constructor(reader: Reader, context: BatchContext) {
    this.#reader = reader
    this.batchContext = context
    this.attributes = reader.byte()
    this.#timestampDelta = reader.varint()
    this.offset = String(Number(context.firstOffset) + reader.varint())
    this.#contentAt = reader.at
  }

  get magicByte(): number {
    return this.batchContext.magicByte
  }

  get isControlRecord(): boolean {
    return this.batchContext.isControlBatch ?? false
  }

  get timestamp(): string {
    const { firstTimestamp, maxTimestamp, timestampType } = this.batchContext
    if (timestampType === LOG_APPEND_TIME) return maxTimestamp
    return String(Number(firstTimestamp) + this.#timestampDelta)
  }

  get key(): Buffer | null {
    return this.#fromKey().bytes()
  }

  get value(): Buffer | null {
    const reader = this.#fromKey()
    reader.skipBytes()
    return reader.bytes()
  }

  get headers(): Headers {
    const reader = this.#fromKey()
    reader.skipBytes()
    reader.skipBytes()
    const headers: Headers = {}
    for (let left = reader.varint(); left > 0; left--) {
      const name = reader.text()
      const content = reader.bytes()
      // Names are chosen by others: `constructor` is none of an earlier header, and `__proto__` cannot be assigned.
      const earlier = Object.hasOwn(headers, name) ? headers[name] : undefined
      const all =
        earlier === undefined ? content : Array.isArray(earlier) ? [...earlier, content] : [earlier, content]
      if (name === '__proto__') setOwn(headers, name, all)
      else headers[name] = all
    }
    return headers
  }

  /** The first value of one header, without reading the others; `undefined` when there is none. */
  headerText(name: string): string | undefined {
    const reader = this.#fromKey()
    reader.skipBytes()
    reader.skipBytes()
    for (let left = reader.varint(); left > 0; left--) {
      if (reader.skipText(name)) return reader.optionalText()
      reader.skipBytes()
    }
    return undefined
  }

  #fromKey(): Reader {
    this.#reader.at = this.#contentAt
    return this.#reader
  }
}

function setOwn(target: object, name: string, value: unknown): void {
  Object.defineProperty(target, name, { value, enumerable: true, configurable: true, writable: true })
}

class Reader {
  readonly #buffer: Buffer
  at: number

  constructor(buffer: Buffer, at: number) {
    this.#buffer = buffer
    this.at = at
  }

  byte(): number {
    return this.#buffer.readInt8(this.at++)
  }

  /** Zigzag varint. Products and not shifts: a time delta may have more than 32 bits. */
  varint(): number {
    let result = 0
    let factor = 1
    for (;;) {
      const byte = this.#buffer[this.at++]
      if (byte === undefined) throw new RangeError('a record ends in the middle of a number')
      result += (byte & 0x7f) * factor
      if (byte < 0x80) break
      factor *= 0x80
    }
    return result % 2 === 0 ? result / 2 : -(result + 1) / 2
  }

  bytes(): Buffer | null {
    const length = this.varint()
    if (length < 0) return null
    const start = this.at
    this.at += length
    return this.#buffer.subarray(start, this.at)
  }

  text(): string {
    const length = this.varint()
    const start = this.at
    this.at += length
    return this.#buffer.toString('utf8', start, this.at)
  }

  skipBytes(): void {
    const length = this.varint()
    if (length > 0) this.at += length
  }

  /** Reads over a text; true when it is this one, which must be ASCII. */
  skipText(expected: string): boolean {
    const length = this.varint()
    const start = this.at
    this.at += length
    return length === expected.length && this.#buffer.toString('latin1', start, this.at) === expected
  }

  optionalText(): string | undefined {
    const length = this.varint()
    if (length < 0) return undefined
    const start = this.at
    this.at += length
    return this.#buffer.toString('utf8', start, this.at)
  }
}
