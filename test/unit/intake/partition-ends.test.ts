import { describe, expect, test } from 'vitest'
import { PartitionEnds } from '../../../src/intake/partition-ends.ts'

const end = (to: number) => [{ topic: 't', partition: 3, to }]

describe('partition ends', () => {
  test('the lag of a partition that nobody fetches is seen to grow', async () => {
    const ends = new PartitionEnds(async () => end(7))
    expect(ends.of('t', 3)).toBe(-1)
    await ends.refresh()
    expect(ends.of('t', 3)).toBe(7)
    expect(ends.of('t', 4)).toBe(-1)
  })

  test('those who ask at the same time, or soon after, share one look', async () => {
    let looks = 0
    const ends = new PartitionEnds(async () => end(++looks))
    await Promise.all([ends.refresh(), ends.refresh()])
    await ends.refresh()
    expect(looks).toBe(1)
  })

  test('a Kafka that is away, or does not answer, holds no scrape up; what was known stands', async () => {
    const answers = [async () => end(7), () => Promise.reject(new Error('away'))]
    const ends = new PartitionEnds(
      () => (answers.shift() ?? (() => new Promise<never>(() => undefined)))(),
      0,
    )
    await ends.refresh()
    await ends.refresh()
    expect(ends.of('t', 3)).toBe(7)
    await ends.refresh()
    expect(ends.of('t', 3)).toBe(7)
    expect(answers).toEqual([])
  })
})
