import { expect, test } from 'vitest'
import { idOfRecord, isSameOrigin } from '../../../src/events/trigger.ts'

const position = { topic: 't', partition: 1, offset: 7 }
const origin = (id: string, changes = {}) => ({ id, ...position, ...changes })
const own = origin(idOfRecord(position, 1_800_000_000_000))

test.each([
  ['the record itself', own, true],
  ['one at its place in another life of the topic', origin(idOfRecord(position, 1_800_000_000_001)), false],
  ['what an earlier version called it', origin('t/1/7'), true],
  ['one with an id of its own', origin('event-1'), false],
  ['one elsewhere of the same id', { ...own, offset: 8 }, false],
])('a record without an id is the same as %s: %#', (_, other, isSame) => {
  expect(isSameOrigin(own, other)).toBe(isSame)
  expect(isSameOrigin(other, own)).toBe(isSame)
})
