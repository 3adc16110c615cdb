import { promisify } from 'node:util'
import { gunzip, zstdDecompress } from 'node:zlib'
import { inflateLz4 } from './inflate-lz4.ts'
import { inflateSnappy } from './inflate-snappy.ts'
import { TooLarge } from './too-large.ts'

/**
 * The limit for a compressed batch. Java's producers make batches of at most `max.request.size`, a megabyte by default. A
 * megabyte of compressed JSON, the default limit of a topic, inflates to five or six. A bomb of 150 KB inflates to 150 MB.
 */
export const INFLATED_BYTES_MAX = 8 * 1_024 * 1_024

/** Uses at most `bytesMax`, and as much again while it joins parts. Throws `TooLarge` beyond. */
type Inflate = (bytes: Buffer, bytesMax: number) => Buffer | Promise<Buffer>

interface Codec {
  readonly name: string
  readonly inflate: Inflate
}

/** Indexed by the number in a batch's attributes. */
const codecs: readonly Codec[] = [
  { name: 'no compression', inflate: (bytes) => bytes },
  { name: 'gzip', inflate: withZlib(promisify(gunzip), sizeInGzip) },
  { name: 'snappy', inflate: inflateSnappy },
  { name: 'lz4', inflate: inflateLz4 },
  { name: 'zstd', inflate: withZlib(promisify(zstdDecompress), sizeInZstd) },
]

/** `undefined` for a compression that is unknown to this version. */
export function codecOf(number: number): Codec | undefined {
  return codecs[number]
}

/** Throws `TooLarge` beyond the limit for a batch, another error for invalid input. */
export async function inflated(bytes: Buffer, codec: Codec | undefined): Promise<Buffer> {
  if (codec === undefined) throw new RangeError('an unknown compression')
  return codec.inflate(bytes, INFLATED_BYTES_MAX)
}

/** zlib's output at a time if the size is unknown. */
const CHUNK_BYTES = 16 * 1_024

/**
 * `sizeIn` reads the declared size, so that the output is one piece. Parts would wait beside the whole for the next full
 * garbage collection.
 */
function withZlib(
  inflate: (bytes: Buffer, options: { chunkSize: number; maxOutputLength: number }) => Promise<Buffer>,
  sizeIn: (bytes: Buffer) => number,
): Inflate {
  return async (bytes, maxOutputLength) => {
    // One byte more, or zlib allocates a second piece to detect the end.
    const chunkSize = Math.max(Math.min(sizeIn(bytes), maxOutputLength) + 1, CHUNK_BYTES)
    try {
      const whole = await inflate(bytes, { chunkSize, maxOutputLength })
      // If the declared size is too large, a copy frees the rest.
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
 * The capacity of a frame's blocks (RFC 8878 §3.1.1.2): streaming compressors do not declare the size, and all blocks but the
 * last are full. 0 for small frames.
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
    // Block types: raw, one byte repeated, compressed.
    size += type === 2 ? ZSTD_BLOCK_BYTES_MAX : blockSize
    at += 3 + (type === 1 ? 1 : blockSize)
  }
  return size > 2 * ZSTD_BLOCK_BYTES_MAX ? size : 0
}
