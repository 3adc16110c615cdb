import { expect, test } from 'vitest'
import { ReplayBook } from '../../../src/recovery/replay-book.ts'

const key = (oidcSessionId: string) => ({ issuer: 'https://i.example', sessionId: 's', oidcSessionId })

test('a delivery is counted once, however many triggers bring it up', () => {
  const book = new ReplayBook()
  expect([book.begin(key('a')), book.begin(key('a')), book.begin(key('b'))]).toEqual([true, false, true])
  expect(book.counts).toMatchObject({ owed: 2, open: 2, sent: 0 })
})

test('one is parked until an outcome comes, which counts once', () => {
  const book = new ReplayBook()
  for (const name of ['a', 'b']) book.begin(key(name))
  book.park(key('a'))
  expect(book.counts).toMatchObject({ owed: 2, parked: 1, open: 1 })
  expect(book.decide(key('a'), 'sent')).toBe(true)
  expect(book.decide(key('b'), 'failed')).toBe(true)
  expect(book.counts).toMatchObject({ owed: 2, parked: 0, sent: 1, failed: 1, open: 0 })
  expect(book.decide(key('a'), 'sent')).toBe(false)
  expect(book.counts.sent).toBe(1)
})

test('what was settled before was not owed', () => {
  const book = new ReplayBook()
  for (const name of ['a', 'b', 'c']) book.begin(key(name))
  book.park(key('b'))
  book.decide(key('c'), 'sent')
  for (const name of ['a', 'b', 'c', 'd']) book.forget(key(name))
  expect(book.counts).toMatchObject({ owed: 1, sent: 1, parked: 0, open: 0 })
})

test('those that are parked have their turn, a part at a time', () => {
  const book = new ReplayBook()
  for (const name of ['a', 'b', 'c', 'd']) book.begin(key(name))
  for (const name of ['a', 'c', 'd']) book.park(key(name))
  expect([book.nextParked(2), book.nextParked(2)]).toEqual([
    [key('a'), key('c')],
    [key('d'), key('a')],
  ])
  expect(book.counts).toMatchObject({ owed: 4, parked: 3, open: 1 })
})

test("other people's deliveries do not count", () => {
  const book = new ReplayBook()
  expect(book.decide(key('a'), 'failed')).toBe(false)
  expect(book.counts).toMatchObject({ owed: 0, failed: 0 })
})
