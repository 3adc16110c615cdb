import { expect, test } from 'vitest'
import { durationText } from '../../../src/lib/duration-text.ts'

test.each([
  [0, '0 ms'],
  [999, '999 ms'],
  [1_000, '1 second'],
  [90_000, '1 minute 30 seconds'],
  [3_600_000, '1 hour'],
  [3_600_001, '1 hour'],
  [604_800_000, '7 days'],
  [2_591_999_999, '29 days 23 hours'],
  [93_784_000, '1 day 2 hours'],
])('%i ms are %s', (ms, text) => {
  expect(durationText(ms)).toBe(text)
})
