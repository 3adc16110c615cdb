import { describe, expect, test } from 'vitest'
import type { LogReader } from '../../../src/intake/log-reader.ts'
import { recordsIn, resolveRange, uncommittedCut } from '../../../src/recovery/replay-range.ts'

const at = (partition: number) => ({ topic: 't', partition })
const reader: Pick<LogReader, 'bounds' | 'offsetsAt'> = {
  bounds: async () => [
    { ...at(0), from: 10, to: 100 },
    { ...at(1), from: 0, to: 0 },
  ],
  offsetsAt: async (_topics, timeMs) => [
    { ...at(0), offset: timeMs === 1 ? 0 : timeMs },
    { ...at(1), offset: 0 },
  ],
}
const resolve = (range: Parameters<typeof resolveRange>[0]) => resolveRange(range, ['t'], reader as LogReader)

describe('a range of time', () => {
  test('ends at the end that the topic has now, and begins where it still has records', async () => {
    const [first, empty] = await resolve({ kind: 'time', fromMs: 1 })
    expect(first).toEqual({ ...at(0), from: 10, to: 100 })
    expect(recordsIn([empty as NonNullable<typeof empty>])).toBe(0)
  })

  test('ends before the first record of its end', async () => {
    expect((await resolve({ kind: 'time', fromMs: 20, toMs: 30 }))[0]).toEqual({ ...at(0), from: 20, to: 30 })
  })
})

describe('a range of offsets', () => {
  test('is taken as it is', async () => {
    expect(await resolve({ kind: 'offsets', ranges: [{ ...at(0), from: 10, to: 100 }] })).toEqual([
      { ...at(0), from: 10, to: 100 },
    ])
    expect(await resolve({ kind: 'offsets', ranges: [{ ...at(0), from: 99 }] })).toEqual([
      { ...at(0), from: 99, to: 100 },
    ])
  })

  test.each([
    ['before what is left of the topic', { ...at(0), from: 9, to: 20 }],
    ['at its end', { ...at(0), from: 100 }],
    ['past its end', { ...at(0), from: 50, to: 101 }],
    ['in an empty partition', { ...at(1), from: 0 }],
    ['in a partition that is not there', { ...at(2), from: 0 }],
    ['on another topic', { topic: 'x', partition: 0, from: 0 }],
  ])('is refused %s', async (_, range) => {
    await expect(resolve({ kind: 'offsets', ranges: [range] })).rejects.toMatchObject({ code: 'LR_USAGE' })
  })
})

describe('where another producer’s transaction is open', () => {
  const hidden = { ...reader, bounds: async () => [{ ...at(0), from: 10, to: 100, end: 120 }] }
  const resolved = async (range: Parameters<typeof resolveRange>[0]) =>
    (await resolveRange(range, ['t'], hidden))[0]

  test.each([
    ['all of it', { kind: 'time', fromMs: 1 }, { from: 10, to: 100, end: 120 }],
    ['up to a time within it', { kind: 'time', fromMs: 20, toMs: 110 }, { from: 20, to: 100, end: 110 }],
    ['up to a time before it', { kind: 'time', fromMs: 20, toMs: 30 }, { from: 20, to: 30 }],
    [
      'only within it',
      { kind: 'offsets', ranges: [{ ...at(0), from: 105 }] },
      { from: 105, to: 100, end: 120 },
    ],
  ] as const)('a range says what is hidden of it: %s', async (_, range, expected) => {
    expect(await resolved(range)).toEqual({ ...at(0), ...expected })
  })

  test('what is past the end of the log is refused', async () => {
    const past = { kind: 'offsets', ranges: [{ ...at(0), from: 50, to: 121 }] } as const
    await expect(resolved(past)).rejects.toMatchObject({ code: 'LR_USAGE' })
  })
})

test('what a running group has not committed is left to it', () => {
  const ranges = [
    { ...at(0), from: 10, to: 100 },
    { ...at(1), from: 0, to: 5 },
  ]
  expect(uncommittedCut(ranges, [{ ...at(0), offset: 40 }])).toEqual([
    { ...at(0), from: 10, to: 40 },
    { ...at(1), from: 0, to: 5 },
  ])
  expect(recordsIn(uncommittedCut(ranges, [{ ...at(0), offset: 5 }]))).toBe(5)
})
