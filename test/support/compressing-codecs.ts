import { promisify } from 'node:util'
import { gzip, zstdCompress } from 'node:zlib'
import snappyCodec from 'kafkajs-snappy'
import { compressFrame } from 'lz4-napi'
import { kafkajs } from '../../src/kafka/kafkajs/kafkajs.ts'

type Compress = (encoder: { readonly buffer: Buffer }) => Promise<Buffer>

const { CompressionTypes } = kafkajs
const CompressionCodecs = kafkajs.CompressionCodecs as Record<number, () => object>

/** By their names. The relay only inflates; these are other people's code. */
export const compressions: Readonly<
  Record<'gzip' | 'snappy' | 'lz4' | 'zstd', { type: number; compress: Compress }>
> = {
  gzip: { type: CompressionTypes.GZIP, compress: ({ buffer }) => promisify(gzip)(buffer) },
  snappy: { type: CompressionTypes.Snappy, compress: snappyCodec().compress },
  lz4: { type: CompressionTypes.LZ4, compress: ({ buffer }) => compressFrame(buffer) },
  zstd: { type: CompressionTypes.ZSTD, compress: ({ buffer }) => promisify(zstdCompress)(buffer) },
}

/** Lets the producers of this process compress. */
export function registerCompressions(): void {
  for (const { type, compress } of Object.values(compressions)) {
    const codec = CompressionCodecs[type]?.()
    CompressionCodecs[type] = () => ({ ...codec, compress })
  }
}
