import { describe, expect, test } from 'vitest'
import { filterOf, rangeOf, rateOf } from '../../../src/cli/replay-arguments.ts'
import { codeOf } from '../../../src/lib/errors.ts'

const NOW = Date.parse('2026-01-31T12:00:00Z')

function refusal(run: () => unknown): { code: string | undefined; message: string } {
  try {
    run()
  } catch (error) {
    return { code: codeOf(error), message: (error as Error).message }
  }
  throw new Error('it was accepted')
}

describe('a range', () => {
  test('goes from a time to the end, or to another time', () => {
    expect(rangeOf({ from: '2h' }, NOW)).toEqual({ kind: 'time', fromMs: NOW - 7_200_000 })
    expect(rangeOf({ from: '2h', to: '2026-01-31T11:00:00Z' }, NOW)).toEqual({
      kind: 'time',
      fromMs: NOW - 7_200_000,
      toMs: NOW - 3_600_000,
    })
  })

  test('or over offsets, the last one included', () => {
    expect(rangeOf({ offsets: ['a.b:3:10-12', 'a.b:4:7-'] }, NOW)).toEqual({
      kind: 'offsets',
      ranges: [
        { topic: 'a.b', partition: 3, from: 10, to: 13 },
        { topic: 'a.b', partition: 4, from: 7 },
      ],
    })
  })

  test.each([
    ['nothing', {}, 'no range'],
    ['an end alone', { to: '1h' }, 'no range'],
    ['no time', { from: 'yesterday' }, '--from'],
    ['a time without a zone', { from: '2026-01-31T11:00:00' }, '--from'],
    ['the future', { from: '2026-01-31T13:00:00Z' }, 'in the future'],
    ['an end before the start', { from: '1h', to: '2h' }, 'not after'],
    ['times and offsets', { from: '1h', offsets: ['a:0:1-'] }, 'not both'],
    ['no offsets', { offsets: ['a:0'] }, '--offsets'],
    ['offsets that end before they begin', { offsets: ['a:0:5-4'] }, 'ends before'],
  ])('is refused when it is %s', (_, given, message) => {
    const refused = refusal(() => rangeOf(given, NOW))
    expect(refused.code).toBe('LR_USAGE')
    expect(refused.message).toContain(message)
  })
})

test('filters are what was given, and a type is one that there is', () => {
  expect(filterOf({})).toEqual({})
  expect(filterOf({ type: 'session-terminated', client: 'shop', from: '1h' })).toEqual({
    type: 'session-terminated',
    client: 'shop',
  })
  expect(refusal(() => filterOf({ discarded: true })).message).toContain('--failed')
  expect(filterOf({ reason: 'as stated' })).toEqual({ reason: 'as stated' })
  expect(refusal(() => filterOf({ reason: 'expird', failed: true })).message).toContain('--reason')
  expect(refusal(() => filterOf({ type: 'session-terminated', failed: true })).message).toContain('--type')
})

test('a rate is a positive number', () => {
  expect(rateOf(undefined)).toBeUndefined()
  expect(rateOf('0.5')).toBe(0.5)
  for (const rate of ['fast', '0', '-1', '1e9', '']) expect(refusal(() => rateOf(rate)).code).toBe('LR_USAGE')
})
