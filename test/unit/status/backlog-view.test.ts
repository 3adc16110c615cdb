import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { BacklogView } from '../../../src/status/backlog-view.ts'
import { manualClock } from '../manual-clock.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

const size = { rpKey: 'https://op.example|shop', size: 3, nextDueMs: 1 }

test('a look that fails leaves what was known, marked as old', async () => {
  const clock = manualClock(100)
  const sizes = vi.fn().mockResolvedValueOnce([size]).mockRejectedValueOnce(new Error('away'))
  const view = new BacklogView({ sizes, earliestDeadlines: async () => [undefined] }, clock)
  await view.refresh()
  expect(view).toMatchObject({ sizes: [size], readAtMs: 100, isOld: false })
  clock.nowMs = 200
  await view.refresh()
  expect(view).toMatchObject({ sizes: [size], readAtMs: 100, isOld: true })
})

test('a look that does not end is waited for a second, and not doubled by the next', async () => {
  const answer = Promise.withResolvers<(typeof size)[]>()
  const sizes = vi.fn().mockReturnValue(answer.promise)
  const view = new BacklogView({ sizes, earliestDeadlines: async () => [undefined] }, manualClock(100))
  for (let i = 0; i < 2; i++) {
    const refreshed = view.refresh()
    await vi.advanceTimersByTimeAsync(1_000)
    await refreshed
    expect(view).toMatchObject({ sizes: [], readAtMs: undefined, isOld: true })
  }
  expect(sizes).toHaveBeenCalledTimes(1)
  answer.resolve([size])
  await vi.advanceTimersByTimeAsync(0)
  expect(view).toMatchObject({ sizes: [size], readAtMs: 100, isOld: false })
})

test('deadlines are looked for at so many RPs: those in trouble, then those with the largest backlogs', async () => {
  const sizes = Array.from({ length: 500 }, (_, i) => ({ rpKey: `op|c${i}`, size: i, nextDueMs: 1 }))
  const earliestDeadlines = vi.fn(async (rpKeys: readonly string[]) => rpKeys.map((_, i) => i))
  const isTroubled = (rpKey: string) => rpKey === 'op|c1'
  const view = new BacklogView({ sizes: async () => sizes, earliestDeadlines }, manualClock(), isTroubled)
  await view.refresh()
  expect(earliestDeadlines.mock.calls[0]?.[0]).toHaveLength(100)
  expect(view.sizes).toHaveLength(500)
  const timed = view.sizes.filter(({ deadlineMs }) => deadlineMs !== undefined)
  expect(timed).toHaveLength(100)
  expect(timed.find(({ rpKey }) => rpKey === 'op|c1')?.deadlineMs).toBe(0)
  expect(timed.find(({ rpKey }) => rpKey === 'op|c499')?.deadlineMs).toBe(1)
  expect(timed.find(({ rpKey }) => rpKey === 'op|c400')).toBeUndefined()
})
