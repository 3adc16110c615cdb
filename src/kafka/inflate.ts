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
  { name: 'gzip', inflate: withZlib(promisify(gunzip)) },
  { name: 'snappy', inflate: inflateSnappy },
  { name: 'lz4', inflate: inflateLz4 },
  { name: 'zstd', inflate: withZlib(promisify(zstdDecompress)) },
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

function withZlib(
  inflate: (bytes: Buffer, options: { maxOutputLength: number }) => Promise<Buffer>,
): Inflate {
  return async (bytes, maxOutputLength) => {
    try {
      return await inflate(bytes, { maxOutputLength })
    } catch (error) {
      if ((error as { code?: string }).code === 'ERR_BUFFER_TOO_LARGE') throw new TooLarge()
      throw error
    }
  }
}
