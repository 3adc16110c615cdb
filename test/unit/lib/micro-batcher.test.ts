import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { MicroBatcher } from '../../../src/lib/micro-batcher.ts'

/** A batcher whose flushes fail by plan, and that records its calls. */
function batcherFixture(maxBatch: number, failures: Iterator<boolean> = [][Symbol.iterator]()) {
  const batches: number[][] = []
  const flushed: number[] = []
  const errors: number[] = []
  const recovered: number[] = []
  let inFlight = 0
  const batcher = new MicroBatcher<number>({
    maxBatch,
    flush: async (items) => {
      inFlight++
      expect(inFlight).toBe(1)
      await Promise.resolve()
      inFlight--
      if (failures.next().value === true) throw new Error('the store is away')
      batches.push([...items])
    },
    onFlushed: (item) => flushed.push(item),
    onError: (_, count) => errors.push(count),
    onRecovered: () => recovered.push(errors.length),
  })
  return { batcher, batches, flushed, errors, recovered }
}

describe('micro-batcher', () => {
  // Fakes only the back-off timers: the batcher collects a batch with `setImmediate`.
  beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }))
  afterEach(() => void vi.useRealTimers())

  /** Waits for the end and skips every back-off. */
  async function idle(batcher: MicroBatcher<number>): Promise<void> {
    let isIdle = false
    const done = batcher.idle().then(() => {
      isIdle = true
    })
    while (!isIdle) {
      await vi.advanceTimersToNextTimerAsync()
      await new Promise<void>((resolve) => setImmediate(resolve))
    }
    await done
  }

  test('loses nothing, keeps the order, and never has two flushes in flight', async () => {
    const plan = fc.record({
      maxBatch: fc.integer({ min: 1, max: 7 }),
      groups: fc.array(fc.nat(9), { maxLength: 8 }),
      failures: fc.array(fc.boolean(), { maxLength: 12 }),
    })
    await fc.assert(
      fc.asyncProperty(plan, async ({ maxBatch, groups, failures }) => {
        const { batcher, batches, flushed } = batcherFixture(maxBatch, failures[Symbol.iterator]())
        const added: number[] = []
        for (const size of groups) {
          for (let n = 0; n < size; n++) {
            added.push(added.length)
            batcher.add(added.length - 1)
          }
          await new Promise<void>((resolve) => setImmediate(resolve))
        }
        await idle(batcher)
        expect(flushed).toEqual(added)
        expect(batches.flat()).toEqual(added)
        expect(batches.every((batch) => batch.length > 0 && batch.length <= maxBatch)).toBe(true)
        expect(batcher.size).toBe(0)
      }),
      { numRuns: 50 },
    )
  })

  test('what is added in one turn goes in one batch, an item alone goes at once', async () => {
    const { batcher, batches } = batcherFixture(100)
    for (let n = 0; n < 5; n++) batcher.add(n)
    await idle(batcher)
    batcher.add(5)
    await idle(batcher)
    expect(batches).toEqual([[0, 1, 2, 3, 4], [5]])
  })

  test('a failed flush is repeated with the same items, nothing overtakes it, and failures are counted', async () => {
    const { batcher, batches, errors } = batcherFixture(2, [true, true, true, false][Symbol.iterator]())
    for (let n = 0; n < 4; n++) batcher.add(n)
    await idle(batcher)
    expect(errors).toEqual([1, 2, 3])
    expect(batches).toEqual([
      [0, 1],
      [2, 3],
    ])
  })

  test('a success is told of once after failures, and only then', async () => {
    const { batcher, recovered } = batcherFixture(1, [false, true, true, false, false][Symbol.iterator]())
    for (let n = 0; n < 3; n++) batcher.add(n)
    await idle(batcher)
    expect(recovered).toEqual([2])
  })

  test('counts what is added and not flushed', async () => {
    const { batcher } = batcherFixture(2)
    for (let n = 0; n < 5; n++) batcher.add(n)
    expect(batcher.size).toBe(5)
    await idle(batcher)
    expect(batcher.size).toBe(0)
  })

  test('stopped in the middle of its retries, it is idle and has told of nothing that is not flushed', async () => {
    const { batcher, flushed, errors } = batcherFixture(10, new Array(1_000).fill(true)[Symbol.iterator]())
    batcher.add(1)
    while (errors.length < 3) {
      await vi.advanceTimersToNextTimerAsync()
      await new Promise<void>((resolve) => setImmediate(resolve))
    }
    batcher.stop()
    await idle(batcher)
    expect(flushed).toEqual([])
  })
})
