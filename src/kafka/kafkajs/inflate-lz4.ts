import { TooLarge } from './too-large.ts'

/* LZ4 frame format 1.6: magic, flags, block size, [content size], [dictionary], checksum, blocks, end mark. */
const MAGIC = 0x184d2204
const FLAGS_AT = 4
const FRAME_HEAD_BYTES = 7
const CONTENT_SIZE_BYTES = 8
const DICTIONARY_BYTES = 4
const BLOCK_CHECKSUM_BYTES = 4
const HAS_BLOCK_CHECKSUMS = 0x10
const HAS_CONTENT_SIZE = 0x08
const HAS_DICTIONARY = 0x01
const IS_UNCOMPRESSED = 0x80000000
const MATCH_LENGTH_MIN = 4
const FIRST_BYTES_MIN = 64 * 1_024

/**
 * Inflates an LZ4 frame, as Kafka's producers write it. Throws `TooLarge` beyond `bytesMax`, another error for invalid input.
 */
export function inflateLz4(bytes: Buffer, bytesMax: number): Buffer {
  if (bytes.readUInt32LE(0) !== MAGIC) throw new RangeError('no frame of LZ4')
  const flags = bytes.readUInt8(FLAGS_AT)
  const contentSizeBytes = (flags & HAS_CONTENT_SIZE) === 0 ? 0 : CONTENT_SIZE_BYTES
  const dictionaryBytes = (flags & HAS_DICTIONARY) === 0 ? 0 : DICTIONARY_BYTES
  const checksumBytes = (flags & HAS_BLOCK_CHECKSUMS) === 0 ? 0 : BLOCK_CHECKSUM_BYTES
  const output = new Output(Math.max(bytes.length * 4, FIRST_BYTES_MIN), bytesMax)
  for (let at = FRAME_HEAD_BYTES + contentSizeBytes + dictionaryBytes; ; ) {
    const mark = bytes.readUInt32LE(at)
    if (mark === 0) return output.content
    const start = at + 4
    const end = start + (mark % IS_UNCOMPRESSED)
    requireFit(end <= bytes.length)
    if (mark >= IS_UNCOMPRESSED) output.append(bytes, start, end)
    // A block may refer to earlier blocks.
    else inflateBlock(bytes, start, end, output)
    at = end + checksumBytes
  }
}

function inflateBlock(bytes: Buffer, start: number, end: number, output: Output): void {
  let at = start
  /** A length of 15 continues in the next bytes, up to the first below 255. */
  const lengthFrom = (nibble: number): number => {
    let length = nibble
    if (nibble < 15) return length
    for (;;) {
      requireFit(at < end)
      const more = bytes[at++] as number
      length += more
      if (more < 255) return length
    }
  }
  while (at < end) {
    const token = bytes[at++] as number
    const literals = lengthFrom(token >>> 4)
    requireFit(at + literals <= end)
    output.append(bytes, at, at + literals)
    at += literals
    // The last sequence has no match.
    if (at === end) return
    requireFit(at + 2 <= end)
    const distance = bytes.readUInt16LE(at)
    at += 2
    output.repeat(distance, lengthFrom(token & 15) + MATCH_LENGTH_MIN)
  }
}

function requireFit(fits: boolean): asserts fits {
  if (!fits) throw new RangeError('a block of LZ4 whose lengths do not fit')
}

class Output {
  readonly #bytesMax: number
  #bytes: Buffer
  #length = 0

  constructor(firstBytes: number, bytesMax: number) {
    this.#bytesMax = bytesMax
    this.#bytes = Buffer.allocUnsafe(Math.min(firstBytes, bytesMax))
  }

  /** Queued records keep it alive, so it is trimmed to its content. */
  get content(): Buffer {
    const content = this.#bytes.subarray(0, this.#length)
    return this.#length * 2 < this.#bytes.length ? Buffer.from(content) : content
  }

  append(from: Buffer, start: number, end: number): void {
    this.#makeRoom(end - start)
    from.copy(this.#bytes, this.#length, start, end)
    this.#length += end - start
  }

  repeat(distance: number, length: number): void {
    requireFit(distance > 0 && distance <= this.#length)
    this.#makeRoom(length)
    const bytes = this.#bytes
    // Byte by byte: it may run into its own beginning.
    for (const end = this.#length + length; this.#length < end; this.#length++) {
      bytes[this.#length] = bytes[this.#length - distance] as number
    }
  }

  #makeRoom(length: number): void {
    const needed = this.#length + length
    if (needed <= this.#bytes.length) return
    if (needed > this.#bytesMax) throw new TooLarge()
    const larger = Buffer.allocUnsafe(Math.min(Math.max(needed, this.#bytes.length * 2), this.#bytesMax))
    this.#bytes.copy(larger, 0, 0, this.#length)
    this.#bytes = larger
  }
}
