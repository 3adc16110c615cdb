import { expect, test } from 'vitest'
import { RecentMessages } from '../../../src/lib/recent-messages.ts'

let nowMs = 0
const recentMessages = () => new RecentMessages(() => nowMs)

test('the same text is news again when a minute is over', () => {
  const messages = recentMessages()
  expect(messages.isNew('away')).toBe(true)
  nowMs += 59_999
  expect(messages.isNew('away')).toBe(false)
  expect(messages.isNew('refused')).toBe(true)
  nowMs += 1
  expect(messages.isNew('away')).toBe(true)
  expect(messages.isNew('away')).toBe(false)
})

test('texts that are never the same do not pile up: what is forgotten is news again', () => {
  const messages = recentMessages()
  for (let i = 0; i < 200; i++) messages.isNew(`text ${i}`)
  expect(messages.isNew('text 0')).toBe(false)
  messages.isNew('one more')
  expect(messages.isNew('text 0')).toBe(true)
})
