import { expect, test } from 'vitest'
import { quantileMs } from '../../../src/status/quantile.ts'

const buckets = (...counts: number[]) =>
  counts.map((count, i) => ({ upperSeconds: [0.1, 0.5, 1, Infinity][i] as number, count }))

test('nothing observed: no quantile', () => {
  expect(quantileMs(buckets(0, 0, 0, 0), 0.5)).toBeUndefined()
  expect(quantileMs([], 0.5)).toBeUndefined()
})

test('within a bucket it is interpolated', () => {
  expect(quantileMs(buckets(10, 10, 10, 10), 0.5)).toBeCloseTo(50)
  expect(quantileMs(buckets(0, 10, 10, 10), 0.5)).toBeCloseTo(300)
  expect(quantileMs(buckets(50, 90, 100, 100), 0.99)).toBeCloseTo(950)
})

test('beyond the last finite bound nothing more is known than that bound', () => {
  expect(quantileMs(buckets(0, 0, 0, 10), 0.5)).toBe(1_000)
  expect(quantileMs(buckets(1, 1, 1, 100), 0.99)).toBe(1_000)
})
