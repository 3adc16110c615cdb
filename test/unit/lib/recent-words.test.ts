import { expect, test } from 'vitest'
import { RecentWords } from '../../../src/lib/recent-words.ts'

let nowMs = 0
const recentWords = () => new RecentWords(() => nowMs)

test('the same text is news again when a minute is over', () => {
  const words = recentWords()
  expect(words.isNews('away')).toBe(true)
  nowMs += 59_999
  expect(words.isNews('away')).toBe(false)
  expect(words.isNews('refused')).toBe(true)
  nowMs += 1
  expect(words.isNews('away')).toBe(true)
  expect(words.isNews('away')).toBe(false)
})

test('texts that are never the same do not pile up: what is forgotten is news again', () => {
  const words = recentWords()
  for (let i = 0; i < 200; i++) words.isNews(`text ${i}`)
  expect(words.isNews('text 0')).toBe(false)
  words.isNews('one more')
  expect(words.isNews('text 0')).toBe(true)
})
