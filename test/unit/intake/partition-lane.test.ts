import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { PartitionLane } from '../../../src/intake/partition-lane.ts'
import { wireRecord } from '../events/wire-records.ts'

/** A lane that is worked off by hand, and tells when it is paused. */
function laneFixture(position: number) {
  let isPaused = false
  let skippedOutcomes = 0
  const lane = new PartitionLane({
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
  // The test itself works the queue off.
  lane.hold()
  return {
    lane,
    isPaused: () => isPaused,
    skippedOutcomes: () => skippedOutcomes,
    take(offsets: number[], fetchedOffset: number, nextOffset: number): void {
      const records = offsets.map((offset) => ({ ...wireRecord({}), offset }))
      lane.take({ topic: 't', partition: 0, records, fetchedOffset, nextOffset, endOffset: nextOffset })
    },
    /** Takes everything out, settles it, and gives the offsets of the records. */
    drain(): number[] {
      const offsets: number[] = []
      for (let item = lane.next(); item !== undefined; item = lane.next()) {
        if ('skipTo' in item) lane.tracker.skipTo(item.skipTo)
        else {
          offsets.push(item.record.offset)
          lane.tracker.begin(item.record.offset).settled()
        }
      }
      return offsets
    },
  }
}

describe('partition lane', () => {
  test('hands on every record of the log once, in order, however often parts of it are fetched again', () => {
    const batches = fc.array(fc.record({ back: fc.nat(5), length: fc.nat(6), drains: fc.boolean() }), {
      maxLength: 20,
    })
    fc.assert(
      fc.property(fc.nat(100), batches, (position, fetches) => {
        const { lane, take, drain } = laneFixture(position)
        const got: number[] = []
        for (const { back, length, drains } of fetches) {
          const from = Math.max(lane.nextWanted - back, position)
          take(
            Array.from({ length }, (_, i) => from + i),
            from,
            from + length,
          )
          if (drains) got.push(...drain())
        }
        got.push(...drain())
        expect(got).toEqual(Array.from({ length: lane.nextWanted - position }, (_, i) => position + i))
        expect(lane.tracker.committable).toBe(lane.nextWanted)
      }),
    )
  })

  test('a fetch that would leave a hole is not taken', () => {
    const { lane, take, drain } = laneFixture(10)
    take([15, 16], 15, 17)
    expect(lane.nextWanted).toBe(10)
    expect(drain()).toEqual([])
    take([10, 12], 10, 15)
    expect([drain(), lane.nextWanted, lane.tracker.committable]).toEqual([[10, 12], 15, 15])
  })

  test('pauses beyond its bound and resumes at half, once each', () => {
    const { lane, take, isPaused } = laneFixture(0)
    let next = 0
    for (; !isPaused() && next < 10_000; next += 100)
      take(
        Array.from({ length: 100 }, (_, i) => next + i),
        next,
        next + 100,
      )
    expect(next).toBeLessThan(10_000)
    const most = lane.queuedRecords
    while (isPaused()) lane.next()
    expect(lane.queuedRecords).toBeGreaterThan(most * 0.3)
    expect(lane.queuedRecords).toBeLessThan(most * 0.7)
  })

  test('of a batch of ten thousand records few are made before their turn: they filled the memory', () => {
    const { lane, drain, isPaused } = laneFixture(0)
    let made = 0
    function* records(from: number, to: number) {
      for (let offset = from; offset < to; offset++) {
        made++
        yield { ...wireRecord({}), offset }
      }
    }
    const take = (from: number, to: number) =>
      lane.take({
        ...{ topic: 't', partition: 0, fetchedOffset: from, nextOffset: to, endOffset: to },
        records: records(Math.max(from - 5, 0), to),
      })
    take(0, 10_000)
    take(10_000, 20_000)
    expect(isPaused()).toBe(true)
    expect(made).toBeLessThan(1_000)
    expect(drain()).toEqual(Array.from({ length: 20_000 }, (_, i) => i))
    expect([isPaused(), lane.tracker.committable]).toEqual([false, 20_000])
    // Those that came twice were made, and left out.
    expect(made).toBe(20_005)
  })

  test('the relay’s own outcomes take no room, and hold no offset', () => {
    const { lane, drain, skippedOutcomes } = laneFixture(0)
    const outcome = (offset: number) => ({
      ...wireRecord({}, { ce_type: 'backchannel-logout-sent' }),
      offset,
    })
    const records = [outcome(0), { ...wireRecord({}), offset: 1 }, outcome(2), outcome(3)]
    lane.take({ topic: 't', partition: 0, records, fetchedOffset: 0, nextOffset: 4, endOffset: 4 })
    expect(lane.queuedRecords).toBeLessThanOrEqual(2)
    expect([drain(), skippedOutcomes(), lane.tracker.committable]).toEqual([[1], 3, 4])
  })

  test('closed, it takes nothing and has nothing left', () => {
    const { lane, take, drain } = laneFixture(0)
    take([0, 1], 0, 2)
    lane.close()
    take([2], 2, 3)
    expect([drain(), lane.isOpen, lane.queuedRecords]).toEqual([[], false, 0])
  })

  test('held, it is not worked off until it is released', async () => {
    let works = 0
    const lane: PartitionLane = new PartitionLane({
      topic: 't',
      partition: 0,
      position: 0,
      work: async () => {
        works++
        while (lane.next() !== undefined);
      },
      pause: () => undefined,
      resume: () => undefined,
      onAdvance: () => undefined,
      onOutcomeSkipped: () => undefined,
      onGap: () => undefined,
    })
    lane.hold()
    lane.take({
      topic: 't',
      partition: 0,
      records: [wireRecord({})],
      fetchedOffset: 0,
      nextOffset: 43,
      endOffset: 43,
    })
    await lane.idle()
    expect(works).toBe(0)
    lane.release()
    await lane.idle()
    expect([works, lane.queuedRecords]).toEqual([1, 0])
  })
})
