import { expect, test } from 'vitest'
import { TokenBuckets } from '../../../src/lib/token-buckets.ts'

const fixture = (namesMax = 10) => {
  const time = { ms: 0 }
  const buckets = new TokenBuckets({ capacity: 10, perSecond: 2, namesMax, now: () => time.ms })
  return { buckets, time }
}

test('a name may spend what its bucket holds, and then what flows in', () => {
  const { buckets, time } = fixture()
  expect(buckets.take('a', 10)).toBe(true)
  expect(buckets.take('a', 1)).toBe(false)
  expect(buckets.take('b', 10)).toBe(true)
  time.ms = 500
  expect(buckets.take('a', 1)).toBe(true)
  expect(buckets.take('a', 1)).toBe(false)
  time.ms = 1_000_000
  expect(buckets.take('a', 11)).toBe(false)
  expect(buckets.take('a', 10)).toBe(true)
})

test('what was spent beyond the bucket is made up for first', () => {
  const { buckets, time } = fixture()
  buckets.charge('a', 14)
  time.ms = 2_000
  expect(buckets.take('a', 1)).toBe(false)
  time.ms = 2_500
  expect(buckets.take('a', 1)).toBe(true)
})

test('however many names there are, a bounded number is remembered', () => {
  const { buckets } = fixture(2)
  for (const name of ['a', 'b', 'c']) expect(buckets.take(name, 10)).toBe(true)
  expect(buckets.take('b', 1)).toBe(false)
  expect(buckets.take('a', 1)).toBe(true)
})
