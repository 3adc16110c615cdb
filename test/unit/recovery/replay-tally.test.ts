import { expect, test } from 'vitest'
import { ReplayTally } from '../../../src/recovery/replay-tally.ts'

const key = (oidcSessionId: string) => ({ issuer: 'https://i.example', sessionId: 's', oidcSessionId })

test('a delivery is counted once, however many triggers bring it up', () => {
  const tally = new ReplayTally()
  expect([tally.add(key('a')), tally.add(key('a')), tally.add(key('b'))]).toEqual([true, false, true])
  expect(tally.counts).toMatchObject({ owed: 2, open: 2, sent: 0 })
})

test('one is parked until an outcome comes, which counts once', () => {
  const tally = new ReplayTally()
  for (const name of ['a', 'b']) tally.add(key(name))
  tally.park(key('a'))
  expect(tally.counts).toMatchObject({ owed: 2, parked: 1, open: 1 })
  expect(tally.settle(key('a'), 'sent')).toBe(true)
  expect(tally.settle(key('b'), 'failed')).toBe(true)
  expect(tally.counts).toMatchObject({ owed: 2, parked: 0, sent: 1, failed: 1, open: 0 })
  expect(tally.settle(key('a'), 'sent')).toBe(false)
  expect(tally.counts.sent).toBe(1)
})

test('what was settled before was not owed', () => {
  const tally = new ReplayTally()
  for (const name of ['a', 'b', 'c']) tally.add(key(name))
  tally.park(key('b'))
  tally.settle(key('c'), 'sent')
  for (const name of ['a', 'b', 'c', 'd']) tally.forget(key(name))
  expect(tally.counts).toMatchObject({ owed: 1, sent: 1, parked: 0, open: 0 })
})

test('those that are parked have their turn, a part at a time', () => {
  const tally = new ReplayTally()
  for (const name of ['a', 'b', 'c', 'd']) tally.add(key(name))
  for (const name of ['a', 'c', 'd']) tally.park(key(name))
  expect([tally.nextParked(2), tally.nextParked(2)]).toEqual([
    [key('a'), key('c')],
    [key('d'), key('a')],
  ])
  expect(tally.counts).toMatchObject({ owed: 4, parked: 3, open: 1 })
})

test("other people's deliveries do not count", () => {
  const tally = new ReplayTally()
  expect(tally.settle(key('a'), 'failed')).toBe(false)
  expect(tally.counts).toMatchObject({ owed: 0, failed: 0 })
})
