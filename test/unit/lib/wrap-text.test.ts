import { expect, test } from 'vitest'
import { wrapText } from '../../../src/lib/wrap-text.ts'

test.each([
  ['one two three', 7, ['one two', 'three']],
  ['one two three', 100, ['one two three']],
  ['one two three', Number.POSITIVE_INFINITY, ['one two three']],
  ['a-very-long-word b', 5, ['a-ver', 'y-lon', 'g-wor', 'd b']],
  ['', 5, ['']],
])('%j in %d columns', (text, width, lines) => {
  expect(wrapText(text, width)).toEqual(lines)
})
