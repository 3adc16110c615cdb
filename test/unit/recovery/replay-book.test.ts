import { expect, test } from 'vitest'
import { ReplayBook } from '../../../src/recovery/replay-book.ts'

const key = (oidcSessionId: string) => ({ issuer: 'https://i.example', sessionId: 's', oidcSessionId })

test('a delivery is counted once, however many triggers bring it up', () => {
  const book = new ReplayBook()
  expect([book.begin(key('a')), book.begin(key('a')), book.begin(key('b'))]).toEqual([true, false, true])
  expect(book.counts).toMatchObject({ owed: 2, open: 2, sent: 0 })
})

test('one that is handed back without an outcome is parked, until an outcome comes from anywhere', () => {
  const book = new ReplayBook()
  book.begin(key('a'))
  expect(book.close(key('a'))).toBe(false)
  expect(book.counts).toMatchObject({ parked: 1, open: 0 })
  expect(book.decide(key('a'), 'sent')).toBe(true)
  expect(book.counts).toMatchObject({ parked: 0, sent: 1, open: 0 })
  expect(book.decide(key('a'), 'sent')).toBe(false)
  expect(book.counts.sent).toBe(1)
})

test('an outcome of its own is final when it is handed back', () => {
  const book = new ReplayBook()
  book.begin(key('a'))
  book.decide(key('a'), 'failed')
  expect(book.begin(key('a'))).toBe(false)
  expect(book.close(key('a'))).toBe(true)
  expect(book.counts).toMatchObject({ owed: 1, failed: 1, parked: 0, open: 0 })
})

test('what was settled before it could be attempted was not owed', () => {
  const book = new ReplayBook()
  for (const name of ['a', 'b', 'c']) book.begin(key(name))
  book.park(key('b'))
  book.decide(key('c'), 'sent')
  for (const name of ['a', 'b', 'c', 'd']) book.forget(key(name))
  expect(book.counts).toMatchObject({ owed: 1, sent: 1, parked: 0, open: 0 })
})

test('what was parked may be attempted here once more', () => {
  const book = new ReplayBook()
  book.begin(key('a'))
  book.park(key('a'))
  book.reopen(key('a'))
  expect(book.counts).toMatchObject({ owed: 1, parked: 0, open: 1 })
  expect(book.isParked(key('a'))).toBe(false)
  book.decide(key('a'), 'sent')
  expect(book.close(key('a'))).toBe(true)
  expect(book.counts).toMatchObject({ owed: 1, sent: 1, open: 0 })
})

test("other people's deliveries do not count", () => {
  const book = new ReplayBook()
  expect(book.decide(key('a'), 'failed')).toBe(false)
  expect(book.counts).toMatchObject({ owed: 0, failed: 0 })
})
