import { describe, expect, test } from 'vitest'
import { parseDuration, parseTime } from '../../../src/cli/time-argument.ts'

const NOW = Date.parse('2026-01-31T09:30:00Z')

describe('a time as an argument', () => {
  test.each([
    ['90s', '2026-01-31T09:28:30Z'],
    ['15m', '2026-01-31T09:15:00Z'],
    ['2h', '2026-01-31T07:30:00Z'],
    ['3d', '2026-01-28T09:30:00Z'],
    ['250ms', '2026-01-31T09:29:59.750Z'],
    ['2026-01-31T08:00:00Z', '2026-01-31T08:00:00Z'],
    ['2026-01-31T08:00Z', '2026-01-31T08:00:00Z'],
    ['2026-01-31T09:00:00.5+01:00', '2026-01-31T08:00:00.500Z'],
  ])('%s is %s', (text, expected) => {
    expect(parseTime(text, NOW)).toBe(Date.parse(expected))
  })

  test.each([
    '',
    'yesterday',
    '5',
    '-5m',
    '5 m',
    '1.5h',
    '5w',
    '2026-01-31',
    '2026-01-31T08:00:00',
    '2026-13-31T08:00:00Z',
    '999999999d',
    'constructor',
  ])('"%s" is refused', (text) => {
    expect(() => parseTime(text, NOW, '--since')).toThrow(
      expect.objectContaining({ code: 'LR_USAGE', message: expect.stringMatching(/^--since: /) }),
    )
  })
})

describe('a duration as an argument', () => {
  test('is milliseconds', () => {
    expect(['90s', '15m', '2h', '3d', '0s'].map((text) => parseDuration(text))).toEqual([
      90_000, 900_000, 7_200_000, 259_200_000, 0,
    ])
  })

  test('a time is none', () => {
    expect(() => parseDuration('2026-01-31T08:00:00Z', '--wait')).toThrow(
      expect.objectContaining({ code: 'LR_USAGE', message: expect.stringMatching(/^--wait: /) }),
    )
  })
})
