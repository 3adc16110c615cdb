import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { PartitionQueue } from '../../../src/intake/partition-queue.ts'
import { wireRecord } from '../events/wire-records.ts'

/** A queue that the test drains, and that reports when it is paused. */
function queueFixture(position: number) {
  let isPaused = false
  let skippedOutcomes = 0
  const queue = new PartitionQueue({
    topic: 't',
    partition: 0,
    position,
    work: async () => undefined,
    pause: () => {
      expect(isPaused).toBe(false)
      isPaused = true
    },
    resume: () => {
      expect(isPaused).toBe(true)
      isPaused = false
    },
    onAdvance: () => undefined,
    onOutcomeSkipped: () => skippedOutcomes++,
    onGap: () => undefined,
  })
  // The test itself drains the queue.
  queue.hold()
  return {
    queue,
    isPaused: () => isPaused,
    skippedOutcomes: () => skippedOutcomes,
    take(offsets: number[], fetchedOffset: number, nextOffset: number): void {
      const records = offsets.map((offset) => ({ ...wireRecord({}), offset }))
      queue.take({ topic: 't', partition: 0, records, fetchedOffset, nextOffset, endOffset: nextOffset })
    },
    /** Takes and settles everything, and returns the offsets of the records. */
    drain(): number[] {
      const offsets: number[] = []
      for (let item = queue.next(); item !== undefined; item = queue.next()) {
        if ('skipTo' in item) queue.tracker.skipTo(item.skipTo)
        else {
          offsets.push(item.record.offset)
          queue.tracker.begin(item.record.offset).acknowledge()
        }
      }
      return offsets
    },
  }
}

describe('partition queue', () => {
  test('hands on every record of the log once, in order, however often parts of it are fetched again', () => {
    const batches = fc.array(fc.record({ back: fc.nat(5), length: fc.nat(6), drains: fc.boolean() }), {
      maxLength: 20,
    })
    fc.assert(
      fc.property(fc.nat(100), batches, (position, fetches) => {
        const { queue, take, drain } = queueFixture(position)
        const got: number[] = []
        for (const { back, length, drains } of fetches) {
          const from = Math.max(queue.nextWanted - back, position)
          take(
            Array.from({ length }, (_, i) => from + i),
            from,
            from + length,
          )
          if (drains) got.push(...drain())
        }
        got.push(...drain())
        expect(got).toEqual(Array.from({ length: queue.nextWanted - position }, (_, i) => position + i))
        expect(queue.tracker.committable).toBe(queue.nextWanted)
      }),
    )
  })

  test('a fetch that would leave a hole is not taken', () => {
    const { queue, take, drain } = queueFixture(10)
    take([15, 16], 15, 17)
    expect(queue.nextWanted).toBe(10)
    expect(drain()).toEqual([])
    take([10, 12], 10, 15)
    expect([drain(), queue.nextWanted, queue.tracker.committable]).toEqual([[10, 12], 15, 15])
  })

  test('pauses beyond its bound and resumes at half, once each', () => {
    const { queue, take, isPaused } = queueFixture(0)
    let next = 0
    for (; !isPaused() && next < 10_000; next += 100)
      take(
        Array.from({ length: 100 }, (_, i) => next + i),
        next,
        next + 100,
      )
    expect(next).toBeLessThan(10_000)
    const most = queue.queuedRecords
    while (isPaused()) queue.next()
    expect(queue.queuedRecords).toBeGreaterThan(most * 0.3)
    expect(queue.queuedRecords).toBeLessThan(most * 0.7)
  })

  test('of a batch of ten thousand records few are made before their turn: they filled the memory', () => {
    const { queue, drain, isPaused } = queueFixture(0)
    let made = 0
    function* records(from: number, to: number) {
      for (let offset = from; offset < to; offset++) {
        made++
        yield { ...wireRecord({}), offset }
      }
    }
    const take = (from: number, to: number) =>
      queue.take({
        ...{ topic: 't', partition: 0, fetchedOffset: from, nextOffset: to, endOffset: to },
        records: records(Math.max(from - 5, 0), to),
      })
    take(0, 10_000)
    take(10_000, 20_000)
    expect(isPaused()).toBe(true)
    expect(made).toBeLessThan(1_000)
    expect(drain()).toEqual(Array.from({ length: 20_000 }, (_, i) => i))
    expect([isPaused(), queue.tracker.committable]).toEqual([false, 20_000])
    // Those that came twice were made, and left out.
    expect(made).toBe(20_005)
  })

  test('the relay’s own outcomes take no room, and hold no offset', () => {
    const { queue, drain, skippedOutcomes } = queueFixture(0)
    const outcome = (offset: number) => ({
      ...wireRecord({}, { ce_type: 'backchannel-logout-sent' }),
      offset,
    })
    const records = [outcome(0), { ...wireRecord({}), offset: 1 }, outcome(2), outcome(3)]
    queue.take({ topic: 't', partition: 0, records, fetchedOffset: 0, nextOffset: 4, endOffset: 4 })
    expect(queue.queuedRecords).toBeLessThanOrEqual(2)
    expect([drain(), skippedOutcomes(), queue.tracker.committable]).toEqual([[1], 3, 4])
  })

  test('closed, it takes nothing and has nothing left', () => {
    const { queue, take, drain } = queueFixture(0)
    take([0, 1], 0, 2)
    queue.close()
    take([2], 2, 3)
    expect([drain(), queue.isOpen, queue.queuedRecords]).toEqual([[], false, 0])
  })

  test('held, it is not worked off until it is released', async () => {
    let works = 0
    const queue: PartitionQueue = new PartitionQueue({
      topic: 't',
      partition: 0,
      position: 0,
      work: async () => {
        works++
        while (queue.next() !== undefined);
      },
      pause: () => undefined,
      resume: () => undefined,
      onAdvance: () => undefined,
      onOutcomeSkipped: () => undefined,
      onGap: () => undefined,
    })
    queue.hold()
    queue.take({
      topic: 't',
      partition: 0,
      records: [wireRecord({})],
      fetchedOffset: 0,
      nextOffset: 43,
      endOffset: 43,
    })
    await queue.idle()
    expect(works).toBe(0)
    queue.release()
    await queue.idle()
    expect([works, queue.queuedRecords]).toEqual([1, 0])
  })
})
