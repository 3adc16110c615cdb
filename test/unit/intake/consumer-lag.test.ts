import { afterEach, describe, expect, test, vi } from 'vitest'
import { ConsumerLag } from '../../../src/intake/consumer-lag.ts'

const queue = (partition: number, endOffset = -1) => ({
  topic: 't',
  partition,
  endOffset,
  tracker: { committable: 5 },
})
const end = (offset: number) => [{ topic: 't', partition: 3, end: offset }]

afterEach(() => void vi.useRealTimers())

describe('consumer lag', () => {
  test('the lag of a partition that nobody fetches is seen to grow; a fetch may know a later end', async () => {
    const lag = new ConsumerLag(async () => end(7))
    expect(lag.of(queue(3))).toBeUndefined()
    await lag.refresh()
    expect(lag.of(queue(3))).toBe(2)
    expect(lag.of(queue(4))).toBeUndefined()
    expect(lag.of(queue(3, 9))).toBe(4)
  })

  test('those who ask at the same time, or soon after, share one look', async () => {
    let looks = 0
    const lag = new ConsumerLag(async () => end(++looks))
    await Promise.all([lag.refresh(), lag.refresh()])
    await lag.refresh()
    expect(looks).toBe(1)
  })

  test('a Kafka that is away, or does not answer, holds no scrape up; what was known stands', async () => {
    vi.useFakeTimers()
    const answers = [async () => end(7), () => Promise.reject(new Error('away'))]
    const lag = new ConsumerLag(() => (answers.shift() ?? (() => new Promise<never>(() => undefined)))(), 0)
    await lag.refresh()
    await lag.refresh()
    expect(lag.of(queue(3))).toBe(2)
    const inVain = lag.refresh()
    await vi.advanceTimersByTimeAsync(500)
    await inVain
    expect(lag.of(queue(3))).toBe(2)
    expect(answers).toEqual([])
  })
})
