import { createRequire } from 'node:module'
import { promisify } from 'node:util'
import { zstdCompress } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import '../../../../src/kafka/kafkajs/kafkajs.ts'
import { INFLATED_BYTES_MAX } from '../../../../src/kafka/kafkajs/inflate.ts'
import { extentOf, recordSetDecoding } from '../../../../src/kafka/kafkajs/record-set.ts'
import { compressions } from '../../../support/compressing-codecs.ts'
import { recordBatch, recordsOf } from '../record-batches.ts'

const Decoder = createRequire(import.meta.url)('kafkajs/src/protocol/decoder') as new (
  buffer: Buffer,
) => { buffer: Buffer; offset: number }

interface Decoded {
  readonly offset: string
  readonly value: Buffer | null
  readonly problem?: string
  readonly firstOffset?: number
}

const decode = recordSetDecoding(async () => {
  throw new Error('no record of an old format can be read')
})

/** Decodes the partitions of one response. */
async function response(...partitions: readonly (readonly Buffer[])[]): Promise<Decoded[][]> {
  const parts = partitions.map((batches) => {
    const bytes = Buffer.concat(batches)
    const size = Buffer.alloc(4)
    size.writeInt32BE(bytes.length)
    return Buffer.concat([size, bytes])
  })
  const decoder = new Decoder(Buffer.concat(parts))
  const found: Decoded[][] = []
  for (const _ of parts) found.push((await decode(decoder)) as Decoded[])
  expect(decoder.offset).toBe(decoder.buffer.length)
  return found
}

async function partition(...batches: readonly Buffer[]) {
  const [records = []] = await response(batches)
  return records.map(({ offset, value, problem, firstOffset }) =>
    problem === undefined
      ? String(value)
      : {
          from: firstOffset,
          to: Number(offset),
          why: problem.replace(/^batch: .*? (?=hold|do not|can)/, ''),
        },
  )
}

const bomb = recordsOf(Buffer.alloc(INFLATED_BYTES_MAX))
const GZIP = compressions.gzip.type
const TOO_LARGE = `hold more than the ${INFLATED_BYTES_MAX} bytes allowed`
const UNREADABLE = 'cannot be read'
const good = (firstOffset: number) => recordBatch({ firstOffset, payload: recordsOf(`good ${firstOffset}`) })

describe('a batch that cannot be read is stepped over, and those around it are read', () => {
  test.each(Object.entries(compressions))('of %s, that holds more than a batch may', async (_name, codec) => {
    const payload = await codec.compress({ buffer: bomb })
    const batch = recordBatch({ firstOffset: 1, lastOffset: 3, attributes: codec.type, payload })
    expect(await partition(good(0), batch, good(4))).toEqual(['good 0', { from: 1, to: 3, why: TOO_LARGE }])
    // The response has used its share of memory. The next one begins after it.
    expect(await partition(good(4))).toEqual(['good 4'])
  })

  test.each(Object.entries(compressions))('of %s, that ends early', async (_name, { type, compress }) => {
    const payload = await compress({ buffer: recordsOf('a'.repeat(900), 'b'.repeat(900)) })
    const cut = {
      firstOffset: 1,
      count: 2,
      attributes: type,
      payload: payload.subarray(0, payload.length / 2),
    }
    expect(await partition(good(0), recordBatch(cut))).toEqual([
      'good 0',
      { from: 1, to: 2, why: UNREADABLE },
    ])
  })

  test('of a compression that nobody knows, or of none where there is one', async () => {
    const payload = recordsOf('x')
    expect(await partition(recordBatch({ attributes: 7, payload }))).toEqual([
      { from: 0, to: 0, why: UNREADABLE },
    ])
    expect(await partition(recordBatch({ attributes: GZIP, payload }))).toEqual([
      { from: 0, to: 0, why: UNREADABLE },
    ])
  })

  test('the first of what they name stays', async () => {
    const [[unreadable] = []] = await response([
      recordBatch({ firstOffset: 5, count: 5, attributes: GZIP, payload: Buffer.alloc(9) }),
    ])
    expect(unreadable?.problem).toBe('batch: 9 bytes of gzip at the offsets 5-9 cannot be read')
  })
})

describe('of a batch that lies, what can be told is read and the rest is left out', () => {
  const lie = (count: number) => `do not hold the ${count} records that they should`

  test.each<[string, Parameters<typeof recordBatch>[0], unknown[]]>([
    [
      'more records than it holds',
      { count: 3, payload: recordsOf('a', 'b') },
      ['a', 'b', { from: 2, to: 2, why: lie(3) }],
    ],
    [
      'fewer',
      { count: 1, lastOffset: 1, payload: recordsOf('a', 'b') },
      ['a', { from: 1, to: 1, why: lie(1) }],
    ],
    [
      'none, but holds some',
      { count: 0, lastOffset: 1, payload: recordsOf('a', 'b') },
      [{ from: 0, to: 1, why: lie(0) }],
    ],
    [
      'less than none',
      { count: -5, lastOffset: 1, payload: recordsOf('a') },
      [{ from: 0, to: 1, why: lie(-5) }],
    ],
    [
      'two thousand million',
      { count: 2 ** 31 - 1, lastOffset: 1, payload: recordsOf('a') },
      [{ from: 0, to: 1, why: `hold ${2 ** 31 - 1} records, more than the 100000 allowed` }],
    ],
    [
      'a million records without a byte',
      { count: 90_000, payload: Buffer.alloc(90_000) },
      [{ from: 0, to: 89_999, why: lie(90_000) }],
    ],
    [
      'a record that is longer than the batch',
      { count: 2, payload: Buffer.concat([recordsOf('a'), Buffer.from([0xfe, 1, 0])]) },
      ['a', { from: 1, to: 1, why: lie(2) }],
    ],
    [
      'offsets that go back',
      { count: 2, payload: Buffer.concat([recordsOf('a'), recordsOf('b')]) },
      ['a', { from: 1, to: 1, why: lie(2) }],
    ],
    [
      'offsets beyond its last',
      { count: 2, lastOffset: 0, payload: recordsOf('a', 'b') },
      ['a', { from: 0, to: 0, why: lie(2) }],
    ],
  ])('%s', async (_name, batch, expected) => {
    expect(await partition(recordBatch(batch))).toEqual(expected)
    const next = (batch.lastOffset ?? (batch.count ?? 1) - 1) + 1
    expect(await partition(recordBatch(batch), good(next))).toEqual([...expected, `good ${next}`])
  })

  test('a length that is shorter than a head does not stop the partition', async () => {
    const batch = good(3)
    batch.writeInt32BE(7, 8)
    const [records = []] = await response([batch])
    expect(extentOf(records)?.lastOffset).toBe(3)
  })

  test('a record of an old format that cannot be read is left out as well', async () => {
    const old = Buffer.alloc(40)
    old.writeBigInt64BE(7n, 0)
    old.writeInt32BE(28, 8)
    expect(await partition(old)).toEqual([{ from: 7, to: 7, why: UNREADABLE }])
  })
})

test('when a response has taken enough memory, the rest of it comes with the next one', async () => {
  const values = Array.from({ length: 50 }, () => Buffer.alloc(INFLATED_BYTES_MAX / 100))
  const payload = await promisify(zstdCompress)(recordsOf(...values))
  const half = (firstOffset: number) =>
    recordBatch({ firstOffset, count: 50, attributes: compressions.zstd.type, payload })
  expect(payload.length).toBeLessThan(2_000)
  const chain = Array.from({ length: 100 }, (_, i) => half(i * 50))
  const [first = [], second = [], third = []] = await response(chain, chain, [good(0)])
  expect(first).toHaveLength(50)
  expect(extentOf(first)?.lastOffset).toBe(49)
  expect(extentOf(first)?.bytes).toBeGreaterThan(INFLATED_BYTES_MAX / 2)
  for (const left of [second, third]) {
    expect(left).toEqual([])
    expect(extentOf(left)).toBeUndefined()
  }
})

test('of partitions with tiny records, each counts what it costs beyond its bytes, and one response brings few', async () => {
  const count = 40_000
  const payload = await promisify(zstdCompress)(recordsOf(...Array.from({ length: count }, () => 'x')))
  const tiny = [recordBatch({ count, attributes: compressions.zstd.type, payload })]
  const partitions = await response(...Array.from({ length: 12 }, () => tiny))
  expect(partitions.map(({ length }) => length)).toEqual([count, ...Array.from({ length: 11 }, () => 0)])
  expect(extentOf(partitions[0] as object)?.bytes).toBeGreaterThan(120 * count)
})
