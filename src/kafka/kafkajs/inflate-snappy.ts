import { TooLarge } from './too-large.ts'

/* Java's producers write a stream of chunks with their sizes; all others write one bare block. */
const STREAM_MAGIC = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00])
const STREAM_MAGIC_HEAD = STREAM_MAGIC.readUInt32BE()
/** The magic and two versions. */
const STREAM_HEAD_BYTES = STREAM_MAGIC.length + 4 + 4
const CHUNK_SIZE_BYTES = 4
const LENGTH_BYTES_MAX = 5
/** A longer literal has its length in the bytes after the tag. */
const LITERAL_LENGTH_MAX = 60

interface Block {
  readonly bytes: Buffer
  /** The offset of its first element. */
  readonly start: number
  /** The inflated size that it declares; never exceeded. */
  readonly length: number
}

/**
 * Inflates Snappy, as Kafka's producers write it. Throws `TooLarge` before it inflates anything, another error for invalid
 * input.
 */
export function inflateSnappy(bytes: Buffer, bytesMax: number): Buffer {
  const blocks = blocksOf(bytes)
  const length = blocks.reduce((sum, block) => sum + block.length, 0)
  if (length > bytesMax) throw new TooLarge()
  const out = Buffer.allocUnsafe(length)
  let at = 0
  for (const block of blocks) {
    inflateBlock(block, out.subarray(at, at + block.length))
    at += block.length
  }
  return out
}

function blocksOf(bytes: Buffer): Block[] {
  if (!bytes.subarray(0, STREAM_MAGIC.length).equals(STREAM_MAGIC)) return [blockOf(bytes)]
  const blocks: Block[] = []
  for (let at = STREAM_HEAD_BYTES; at + CHUNK_SIZE_BYTES <= bytes.length; ) {
    const size = bytes.readUInt32BE(at)
    if (size === STREAM_MAGIC_HEAD) {
      at += STREAM_HEAD_BYTES
      continue
    }
    at += CHUNK_SIZE_BYTES
    if (at + size > bytes.length) throw new RangeError('a chunk of snappy ends early')
    blocks.push(blockOf(bytes.subarray(at, at + size)))
    at += size
  }
  return blocks
}

function blockOf(bytes: Buffer): Block {
  let length = 0
  for (let start = 0; start < LENGTH_BYTES_MAX; ) {
    const byte = bytes[start] ?? 0xff
    length += (byte & 0x7f) * 2 ** (7 * start++)
    if (byte < 0x80) return { bytes, start, length }
  }
  throw new RangeError('a block of snappy without its length')
}

function inflateBlock({ bytes, start }: Block, out: Buffer): void {
  let at = 0
  for (let from = start; from < bytes.length; ) {
    const tag = bytes[from++] as number
    const kind = tag & 3
    let length = (tag >>> 2) + 1
    if (kind === 0) {
      if (length > LITERAL_LENGTH_MAX) {
        const size = length - LITERAL_LENGTH_MAX
        length = bytes.readUIntLE(from, size) + 1
        from += size
      }
      requireRoom(at + length <= out.length && from + length <= bytes.length)
      bytes.copy(out, at, from, from + length)
      from += length
    } else {
      const size = kind === 3 ? 4 : kind
      let distance = bytes.readUIntLE(from, size)
      if (kind === 1) {
        length = ((tag >>> 2) & 7) + 4
        distance += (tag >>> 5) << 8
      }
      from += size
      requireRoom(at + length <= out.length && distance > 0 && distance <= at)
      // Byte by byte: it may run into its own beginning.
      for (let to = at; to < at + length; to++) out[to] = out[to - distance] as number
    }
    at += length
  }
  requireRoom(at === out.length)
}

function requireRoom(isThere: boolean): asserts isThere {
  if (!isThere) throw new RangeError('a block of snappy whose lengths do not fit')
}
