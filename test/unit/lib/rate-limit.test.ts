import { expect, test, vi } from 'vitest'
import { RateLimit } from '../../../src/lib/rate-limit.ts'

test('what was not used is not saved up, and what belongs together starts together', async () => {
  vi.useFakeTimers()
  try {
    const limit = new RateLimit(10, () => Date.now())
    const startedAtMs = Date.now()
    const starts: number[] = []
    const take = async (count: number) => {
      await limit.take(count)
      starts.push(Date.now() - startedAtMs)
    }
    const taking = [take(1), take(5), take(1)]
    await vi.runAllTimersAsync()
    await Promise.all(taking)
    expect(starts).toEqual([0, 100, 600])
    await vi.advanceTimersByTimeAsync(10_000)
    const later = [take(1), take(1)]
    await vi.runAllTimersAsync()
    await Promise.all(later)
    expect((starts[4] as number) - (starts[3] as number)).toBe(100)
  } finally {
    vi.useRealTimers()
  }
})

test('an abort ends the wait', async () => {
  const limit = new RateLimit(0.001)
  const stopped = new AbortController()
  await limit.take(1, stopped.signal)
  const waiting = limit.take(1, stopped.signal)
  stopped.abort()
  await waiting
})
