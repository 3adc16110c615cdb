import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { clientStates } from '../../../src/events/client.ts'
import {
  currentState,
  HISTORY_MAX,
  mergeHistories,
  putOffDeadline,
  readHistory,
  writeHistory,
} from '../../../src/registry/client-history.ts'

const change = fc.record({ atMs: fc.integer({ min: 1, max: 50 }), state: fc.constantFrom(...clientStates) })
const history = fc.uniqueArray(change, { selector: ({ atMs }) => atMs, maxLength: 20 })
const HOUR = 3_600_000

describe('the history of a client', () => {
  test('is the same in whatever order its changes become known', () => {
    fc.assert(
      fc.property(history, fc.infiniteStream(fc.nat()), (changes, order) => {
        const inOrder = changes.reduce((known, it) => mergeHistories(known, [it]), readHistory(''))
        const shuffled = changes
          .map((it) => ({ it, at: order.next().value as number }))
          .sort((a, b) => a.at - b.at)
          .reduce((known, { it }) => mergeHistories(known, [it]), readHistory(''))
        expect(shuffled).toEqual(inOrder)
        expect(mergeHistories(inOrder, inOrder)).toEqual(inOrder)
        expect(readHistory(writeHistory(inOrder))).toEqual(inOrder)
      }),
    )
  })

  test('is bounded, and does not lose a pause to a platform that repeats itself', () => {
    let known = readHistory('1 paused')
    for (let atMs = 2; atMs < 1_000; atMs++) known = mergeHistories(known, [{ atMs, state: 'paused' }])
    known = mergeHistories(known, [{ atMs: 1_000, state: 'active' }])
    expect(known.length).toBeLessThanOrEqual(HISTORY_MAX)
    expect(currentState(known)).toEqual({
      kind: 'active',
      sinceMs: 1_000,
      pauses: [{ fromMs: 1, toMs: 1_000 }],
    })
  })

  test('what is not of its form is left out', () => {
    expect(readHistory('x 5 paused 7 asleep -')).toEqual([{ atMs: 5, state: 'paused' }])
    expect(currentState(readHistory(''))).toBeUndefined()
    expect(currentState(readHistory('1 active'))).toBeUndefined()
  })
})

describe('a deadline', () => {
  const pauses = (text: string) => currentState(readHistory(text))?.pauses ?? []

  test('stands still during each pause, from when the delivery was taken up', () => {
    // Taken up at 0, with an hour.
    expect(putOffDeadline(pauses('1000 paused 5000 active'), HOUR, HOUR)).toBe(HOUR + 4_000)
    expect(putOffDeadline(pauses('1000 paused 5000 active 9000 paused 9500 retired'), HOUR, HOUR)).toBe(
      HOUR + 4_500,
    )
    // Taken up in the middle of the pause, and after it.
    expect(putOffDeadline(pauses('1000 paused 5000 active'), HOUR + 3_000, HOUR)).toBe(HOUR + 5_000)
    expect(putOffDeadline(pauses('1000 paused 5000 active'), HOUR + 9_000, HOUR)).toBe(HOUR + 9_000)
  })

  test('is never while the client is paused, unless it was over before', () => {
    expect(putOffDeadline(pauses('1000 paused'), HOUR, HOUR)).toBe(Number.POSITIVE_INFINITY)
    expect(putOffDeadline(pauses(`${HOUR} paused`), HOUR, HOUR)).toBe(HOUR)
    // What the first pause has put off is not over at the second.
    expect(
      putOffDeadline(pauses(`10 paused 30 active ${HOUR + 10} paused ${HOUR + 50} active`), HOUR, HOUR),
    ).toBe(HOUR + 60)
  })
})
