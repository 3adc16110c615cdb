import { randomBytes } from 'node:crypto'
import { promisify } from 'node:util'
import { constants, gzip, gzipSync, zstdCompress, zstdCompressSync } from 'node:zlib'
import fc from 'fast-check'
import { compressFrame } from 'lz4-napi'
import { describe, expect, test } from 'vitest'
import { codecOf, INFLATED_BYTES_MAX, inflated } from '../../../../src/kafka/kafkajs/inflate.ts'
import { TooLarge } from '../../../../src/kafka/kafkajs/too-large.ts'
import { compressions } from '../../../support/compressing-codecs.ts'

const each = Object.entries(compressions)
const BYTES_MAX = 200_000

/** Compressible and incompressible content in one. */
const contents = fc
  .array(
    fc.oneof(
      fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
      fc
        .tuple(fc.uint8Array({ minLength: 1, maxLength: 40 }), fc.nat(3_000))
        .map(([part, times]) =>
          Buffer.concat(Array.from({ length: Math.ceil(times / part.length) }, () => part)),
        ),
    ),
    { maxLength: 60 },
  )
  .map((parts) => Buffer.concat(parts))

describe.each(each)('%s', (_name, { type, compress }) => {
  const inflate = (bytes: Buffer) => inflated(bytes, codecOf(type))

  test('gives back what others compressed', async () => {
    const property = fc.asyncProperty(contents, async (content) => {
      expect((await inflate(await compress({ buffer: content }))).equals(content)).toBe(true)
    })
    await fc.assert(property, { numRuns: 60 })
  })

  test('as much as a batch may hold is inflated, one byte more is not', async () => {
    const full = await compress({ buffer: Buffer.alloc(BYTES_MAX) })
    expect(await codecOf(type)?.inflate(full, BYTES_MAX)).toHaveLength(BYTES_MAX)
    const more = await compress({ buffer: Buffer.alloc(BYTES_MAX + 1) })
    const inflating = async () => codecOf(type)?.inflate(more, BYTES_MAX)
    await expect(inflating()).rejects.toBeInstanceOf(TooLarge)
  })

  test('what is cut off or altered ends, with an error or with something else, within the bound', async () => {
    const good = await compress({
      buffer: Buffer.from('some words, some words, some other words '.repeat(200)),
    })
    const property = fc.asyncProperty(
      fc.nat(good.length - 1),
      fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { maxLength: 5 }),
      async (length, changes) => {
        await expect(inflate(good.subarray(0, length))).rejects.toThrow()
        const altered = Buffer.from(good)
        for (const [at, byte] of changes) altered[at] = byte
        const found = await inflate(altered).catch((error: unknown) => error)
        if (Buffer.isBuffer(found)) expect(found.length).toBeLessThanOrEqual(INFLATED_BYTES_MAX)
        else expect(found).toBeInstanceOf(Error)
      },
    )
    await fc.assert(property, { numRuns: 150 })
  })
})

describe('snappy in chunks, as Java writes it', () => {
  const stream = async (...chunks: readonly Buffer[]) => {
    const parts = chunks.flatMap((chunk) => {
      const size = Buffer.alloc(4)
      size.writeUInt32BE(chunk.length)
      return [size, chunk]
    })
    return Buffer.concat([Buffer.from('\x82SNAPPY\0\0\0\0\x01\0\0\0\x01', 'latin1'), ...parts])
  }
  const { type, compress } = compressions.snappy
  const inflate = (bytes: Buffer) => inflated(bytes, codecOf(type))

  test('many chunks, and streams behind one another, are one content', async () => {
    const chunk = await compress({ buffer: Buffer.from('abc'.repeat(100)) })
    const twice = Buffer.concat([await stream(chunk, chunk), await stream(chunk)])
    expect(String(await inflate(twice))).toBe('abc'.repeat(300))
  })

  test('chunks are bounded together, and a chunk that is such a stream itself is none', async () => {
    const megabyte = await compress({ buffer: Buffer.alloc(1_024 * 1_024) })
    const many = await stream(...Array.from({ length: 17 }, () => megabyte))
    await expect(inflate(many)).rejects.toBeInstanceOf(TooLarge)
    await expect(inflate(await stream(await stream(megabyte)))).rejects.toThrow('lengths do not fit')
  })
})

test('LZ4 of many blocks with checksums is read', async () => {
  const content = Buffer.from('logout-relay '.repeat(20_000))
  const frame = await compressFrame(content, { blockChecksums: true, contentChecksum: true })
  expect((await inflated(frame, codecOf(compressions.lz4.type))).equals(content)).toBe(true)
})

test('LZ4 that tells its size and refers to an earlier block is read', async () => {
  const size = Buffer.alloc(8)
  size.writeBigUInt64LE(12n)
  const frame = Buffer.concat([
    // Magic, flags (version 1, linked blocks, content size), block size, content size, header checksum.
    Buffer.from([0x04, 0x22, 0x4d, 0x18, 0x48, 0x40]),
    size,
    Buffer.from([0]),
    // Six bytes as they are, then a match of six at a distance of six, and the end mark.
    Buffer.from([6, 0, 0, 0x80, ...Buffer.from('logout'), 3, 0, 0, 0, 0x02, 6, 0, 0, 0, 0, 0]),
  ])
  expect(String(await inflated(frame, codecOf(compressions.lz4.type)))).toBe('logoutlogout')
})

test('a window as large as a producer may ask for is no reason to refuse', async () => {
  const params = { [constants.ZSTD_c_windowLog]: 27 }
  const content = Buffer.from('x'.repeat(1_000))
  const bytes = await promisify(zstdCompress)(content, { params })
  expect((await inflated(bytes, codecOf(compressions.zstd.type))).equals(content)).toBe(true)
})

test('gzip in several members is one content', async () => {
  const member = await promisify(gzip)('abc')
  expect(String(await inflated(Buffer.concat([member, member]), codecOf(compressions.gzip.type)))).toBe(
    'abcabc',
  )
})

describe('nearly as much as a batch may hold', () => {
  const content = Buffer.concat(
    Array.from({ length: 60 }, (_, i) => Buffer.alloc(120_000, `some words ${i}`)),
  )

  test.each([
    ['gzip', () => promisify(gzip)(content)],
    ['zstd without its size', () => promisify(zstdCompress)(content)],
    ['zstd with its size', async () => zstdCompressSync(content)],
    [
      'zstd in blocks of any kind',
      async () => zstdCompressSync(Buffer.concat([content, randomBytes(300_000), Buffer.alloc(300_000)])),
    ],
  ])('is made in one piece: %s', async (name, compress) => {
    const compressed = await compress()
    const { arrayBuffers } = process.memoryUsage()
    const whole = await inflated(compressed, codecOf(name.startsWith('gzip') ? 1 : 4))
    expect(process.memoryUsage().arrayBuffers - arrayBuffers).toBeLessThan(1.3 * whole.length)
    expect(whole.subarray(0, content.length).equals(content)).toBe(true)
  })

  test('does not need what the bytes say of their size', async () => {
    const parts = [content, Buffer.from('the end')]
    const compressed = Buffer.concat(parts.map((part) => gzipSync(part)))
    expect((await inflated(compressed, codecOf(1))).equals(Buffer.concat(parts))).toBe(true)
  })

  test('a little that is said to be much does not keep the room for it', async () => {
    const said = gzipSync(content).subarray(-4)
    const whole = await inflated(Buffer.concat([gzipSync('little'), said]), codecOf(1))
    expect(whole.toString()).toBe('little')
    expect(whole.buffer.byteLength).toBeLessThan(100_000)
  })
})
