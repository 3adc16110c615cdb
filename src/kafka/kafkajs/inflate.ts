import { promisify } from 'node:util'
import { gunzip, zstdDecompress } from 'node:zlib'
import { inflateLz4 } from './inflate-lz4.ts'
import { inflateSnappy } from './inflate-snappy.ts'
import { TooLarge } from './too-large.ts'

/**
 * As much as a compressed batch may hold. Java's producers make none of more than `max.request.size`, a megabyte by default;
 * and what is a megabyte of compressed JSON, which is as much as a topic takes by default, is five to six of them. A bomb of
 * 150 KB holds a hundred and fifty.
 */
export const INFLATED_BYTES_MAX = 8 * 1_024 * 1_024

/** Never holds more than `bytesMax`, and the same again while its parts are joined. Throws `TooLarge` for more than that. */
type Inflate = (bytes: Buffer, bytesMax: number) => Buffer | Promise<Buffer>

interface Codec {
  readonly name: string
  readonly inflate: Inflate
}

/** By the number that stands in a batch's attributes. */
const codecs: readonly Codec[] = [
  { name: 'no compression', inflate: (bytes) => bytes },
  { name: 'gzip', inflate: withZlib(promisify(gunzip), sizeInGzip) },
  { name: 'snappy', inflate: inflateSnappy },
  { name: 'lz4', inflate: inflateLz4 },
  { name: 'zstd', inflate: withZlib(promisify(zstdDecompress), sizeInZstd) },
]

/** `undefined` for a compression that Kafka did not know when this was written. */
export function codecOf(number: number): Codec | undefined {
  return codecs[number]
}

/** Throws `TooLarge` for more than a batch may hold, and another error for what cannot be inflated. */
export async function inflated(bytes: Buffer, codec: Codec | undefined): Promise<Buffer> {
  if (codec === undefined) throw new RangeError('an unknown compression')
  return codec.inflate(bytes, INFLATED_BYTES_MAX)
}

/** As much as zlib makes at a time where nobody tells how much it will be. */
const CHUNK_BYTES = 16 * 1_024

/**
 * `sizeIn` is what the bytes say themselves. Made in one piece, nothing is joined: the parts would wait beside the whole
 * for the next full garbage collection.
 */
function withZlib(
  inflate: (bytes: Buffer, options: { chunkSize: number; maxOutputLength: number }) => Promise<Buffer>,
  sizeIn: (bytes: Buffer) => number,
): Inflate {
  return async (bytes, maxOutputLength) => {
    // One byte more, or zlib would get itself a second piece to see that nothing comes.
    const chunkSize = Math.max(Math.min(sizeIn(bytes), maxOutputLength) + 1, CHUNK_BYTES)
    try {
      const whole = await inflate(bytes, { chunkSize, maxOutputLength })
      // Where what it says is too much, the rest would be kept.
      return chunkSize > 2 * Math.max(whole.length, CHUNK_BYTES) ? Buffer.from(whole) : whole
    } catch (error) {
      if ((error as { code?: string }).code === 'ERR_BUFFER_TOO_LARGE') throw new TooLarge()
      throw error
    }
  }
}

/** RFC 1952 §2.3.1: the last four bytes. */
function sizeInGzip(bytes: Buffer): number {
  return bytes.length >= 18 ? bytes.readUInt32LE(bytes.length - 4) : 0
}

const ZSTD_MAGIC = 0xfd2fb528
const ZSTD_BLOCK_BYTES_MAX = 128 * 1_024

/**
 * As much as the blocks of a frame can hold (RFC 8878 §3.1.1.2): those who compress a stream do not tell the size, and all
 * of their blocks but the last are full. 0 where it is little.
 */
function sizeInZstd(bytes: Buffer): number {
  const { length } = bytes
  if (length < 8 || bytes.readUInt32LE(0) !== ZSTD_MAGIC) return 0
  const descriptor = bytes.readUInt8(4)
  const isOneSegment = (descriptor & 0x20) !== 0
  const sizeField = [isOneSegment ? 1 : 0, 2, 4, 8][descriptor >> 6] as number
  let at = 5 + (isOneSegment ? 0 : 1) + ([0, 1, 2, 4][descriptor & 3] as number) + sizeField
  let size = 0
  for (let isLast = false; !isLast && at + 3 <= length; ) {
    const head = bytes.readUIntLE(at, 3)
    const [type, blockSize] = [(head >> 1) & 3, head >> 3]
    isLast = (head & 1) === 1
    // Raw, one byte repeated, compressed.
    size += type === 2 ? ZSTD_BLOCK_BYTES_MAX : blockSize
    at += 3 + (type === 1 ? 1 : blockSize)
  }
  return size > 2 * ZSTD_BLOCK_BYTES_MAX ? size : 0
}
