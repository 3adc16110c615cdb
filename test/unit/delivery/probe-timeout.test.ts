import { expect, test } from 'vitest'
import { ProbeTimeout } from '../../../src/delivery/probe-timeout.ts'

test.each([
  { answersMs: [], next: 1_500 },
  { answersMs: [20], next: 1_500 },
  { answersMs: [3_000], next: 6_000 },
  { answersMs: [9_000], next: 10_000 },
  { answersMs: [3_000, ...Array<number>(100).fill(20)], next: 1_500 },
])(
  'a probe has twice what the slowest recent answer took, within bounds: $next ms',
  ({ answersMs, next }) => {
    const timeout = new ProbeTimeout()
    for (const ms of answersMs) timeout.answered(ms)
    expect(timeout.next(10_000)).toBe(next)
    expect(timeout.next(800)).toBe(800)
  },
)

test('one that was cut off is followed by longer ones, up to the whole time-out', () => {
  const timeout = new ProbeTimeout()
  const given = Array.from({ length: 5 }, () => {
    const ms = timeout.next(10_000)
    timeout.hung()
    return ms
  })
  expect(given).toEqual([1_500, 3_000, 6_000, 10_000, 1_500])
})

test('how soon an RP fails does not tell how long it takes when it is back', () => {
  const timeout = new ProbeTimeout()
  timeout.answered(20)
  timeout.failed()
  expect(timeout.next(10_000)).toBe(10_000)
  timeout.hung()
  expect(timeout.next(10_000)).toBe(3_000)
  timeout.answered(20)
  expect(timeout.next(10_000)).toBe(1_500)
})

test('an answer begins the count of those that hang anew', () => {
  const timeout = new ProbeTimeout()
  for (let n = 0; n < 3; n++) timeout.hung()
  expect(timeout.next(10_000)).toBe(10_000)
  timeout.answered(10)
  expect(timeout.next(10_000)).toBe(1_500)
})
