/*
 * kafkajs decodes a record with 64-bit objects for every number and a new object per header. But half of what the relay reads
 * are its own outcomes, of which it needs only the type. This decoder gives the same result on demand.
 */

/** The common fields of a batch's records. Times in milliseconds since the epoch. */
export interface BatchContext {
  readonly firstOffset: number
  readonly firstTimestamp: number
  readonly maxTimestamp: number
  /** The broker stamped the whole batch with its own time, `maxTimestamp`. */
  readonly isStampedByBroker: boolean
  readonly isControlBatch: boolean
  readonly inTransaction: boolean
  readonly producerId: string
}

type HeaderValue = Buffer | null

type Headers = Record<string, HeaderValue | HeaderValue[]>

/** Far more than any real record has. Headers cost work each time the record is read. */
export const HEADERS_MAX = 1_000

/**
 * A record as kafkajs gives it, of Kafka's record format v2: Attributes TimestampDelta OffsetDelta Key Value [HeaderKey
 * HeaderValue]. Key, value and headers are read from the bytes on each access and not cached: a queued record is in the old
 * generation and would keep them until the next full garbage collection. A record with invalid lengths has none of them, and
 * a `problem`.
 *
 * A batch may hold a hundred thousand of them, so each is one small object beside the bytes of all.
 */
export class DecodedRecord {
  readonly attributes: number
  readonly batchContext: BatchContext
  readonly #bytes: Buffer
  readonly #contentAt: number
  readonly #end: number
  readonly #offsetDelta: number
  readonly #timestampDelta: number

  /** Throws when its position in the batch cannot be read. */
  constructor(bytes: Buffer, start: number, end: number, context: BatchContext) {
    const reader = new Reader(bytes, start, end)
    this.batchContext = context
    this.attributes = reader.byte()
    this.#bytes = bytes
    this.#timestampDelta = reader.varint()
    this.#offsetDelta = reader.varint()
    this.#contentAt = reader.at
    this.#end = end
  }

  get offset(): string {
    return String(this.batchContext.firstOffset + this.#offsetDelta)
  }

  get isControlRecord(): boolean {
    return this.batchContext.isControlBatch
  }

  get timestamp(): string {
    const { firstTimestamp, isStampedByBroker, maxTimestamp } = this.batchContext
    return String(isStampedByBroker ? maxTimestamp : firstTimestamp + this.#timestampDelta)
  }

  get key(): Buffer | null {
    return this.#read(readBytes) ?? null
  }

  get value(): Buffer | null {
    return this.#read(readValue) ?? null
  }

  get headers(): Headers {
    return this.#read(readHeaders) ?? {}
  }

  /** The first value of one header, without reading the others; `undefined` if there is none. */
  headerText(name: string): string | undefined {
    return this.#read(readHeaderText, name)
  }

  /** Why the record is invalid; `undefined` for nearly all. */
  get problem(): string | undefined {
    try {
      skipAll(this.#fromContent())
      return undefined
    } catch (error) {
      if (error instanceof Malformed) return error.message
      throw error
    }
  }

  #read<T>(read: (reader: Reader, name: string) => T, name = ''): T | undefined {
    try {
      return read(this.#fromContent(), name)
    } catch (error) {
      if (error instanceof Malformed) return undefined
      throw error
    }
  }

  #fromContent(): Reader {
    return new Reader(this.#bytes, this.#contentAt, this.#end)
  }
}

function readBytes(reader: Reader): Buffer | null {
  return reader.bytes()
}

function readValue(reader: Reader): Buffer | null {
  reader.skipBytes()
  return reader.bytes()
}

function readHeaders(reader: Reader): Headers {
  const headers: Headers = {}
  for (let left = headersIn(reader); left > 0; left--) {
    const name = reader.text()
    const content = reader.bytes()
    // Header names are foreign: `constructor` is inherited, and `__proto__` cannot be assigned.
    const earlier = Object.hasOwn(headers, name) ? headers[name] : undefined
    if (Array.isArray(earlier)) earlier.push(content)
    else if (name === '__proto__') setOwn(headers, name, earlier === undefined ? content : [earlier, content])
    else headers[name] = earlier === undefined ? content : [earlier, content]
  }
  return headers
}

function readHeaderText(reader: Reader, name: string): string | undefined {
  for (let left = headersIn(reader); left > 0; left--) {
    if (reader.skipText(name)) return reader.optionalText()
    reader.skipBytes()
  }
  return undefined
}

function skipAll(reader: Reader): void {
  for (let left = headersIn(reader); left > 0; left--) {
    reader.skipBytes()
    reader.skipBytes()
  }
  if (reader.left !== 0) throw new Malformed()
}

/** Skips key and value. */
function headersIn(reader: Reader): number {
  reader.skipBytes()
  reader.skipBytes()
  const count = reader.varint()
  if (count > HEADERS_MAX) {
    throw new Malformed(`headers: has ${count} of them, more than the ${HEADERS_MAX} allowed`)
  }
  return count
}

function setOwn(target: object, name: string, value: unknown): void {
  Object.defineProperty(target, name, { value, enumerable: true, configurable: true, writable: true })
}

/** What is wrong with a record, for people. */
export class Malformed extends Error {
  constructor(message = 'record: its lengths do not fit together') {
    super(message)
  }
}

/** Reads a part of a buffer. Throws `Malformed` instead of reading beyond it. */
export class Reader {
  readonly #buffer: Buffer
  readonly #end: number
  at: number

  constructor(buffer: Buffer, at: number, end = buffer.length) {
    this.#buffer = buffer
    this.at = at
    this.#end = end
  }

  get left(): number {
    return this.#end - this.at
  }

  byte(): number {
    if (this.at >= this.#end) throw new Malformed()
    return this.#buffer.readInt8(this.at++)
  }

  /** Zigzag varint. Uses products instead of shifts, because a time delta may exceed 32 bits. */
  varint(): number {
    let result = 0
    let factor = 1
    for (;;) {
      if (this.at >= this.#end) throw new Malformed()
      const byte = this.#buffer[this.at++] as number
      result += (byte & 0x7f) * factor
      if (byte < 0x80) break
      factor *= 0x80
    }
    return result % 2 === 0 ? result / 2 : -(result + 1) / 2
  }

  bytes(): Buffer | null {
    const length = this.varint()
    if (length < 0) return null
    const start = this.#skip(length)
    return this.#buffer.subarray(start, this.at)
  }

  text(): string {
    const start = this.#skip(this.varint())
    return this.#buffer.toString('utf8', start, this.at)
  }

  skipBytes(): void {
    const length = this.varint()
    if (length > 0) this.#skip(length)
  }

  /** Skips a text; true if it equals `expected`, which must be ASCII. */
  skipText(expected: string): boolean {
    const length = this.varint()
    const start = this.#skip(length)
    return length === expected.length && this.#buffer.toString('latin1', start, this.at) === expected
  }

  optionalText(): string | undefined {
    const length = this.varint()
    if (length < 0) return undefined
    const start = this.#skip(length)
    return this.#buffer.toString('utf8', start, this.at)
  }

  #skip(length: number): number {
    const start = this.at
    if (length < 0 || length > this.#end - start) throw new Malformed()
    this.at = start + length
    return start
  }
}
