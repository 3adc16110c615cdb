import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { TopicPartition } from '../../../src/events/wire-record.ts'
import { Assignment } from '../../../src/intake/assignment.ts'
import type { OpenRecord } from '../../../src/intake/offset-tracker.ts'
import type { PartitionQueue } from '../../../src/intake/partition-queue.ts'
import { Gate } from '../../../src/lib/gate.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

test('a partition that was full when its consumer was replaced is not fetched by the new one', async () => {
  const paused: TopicPartition[] = []
  const assignment = new Assignment({
    source: {
      pause: (it) => void paused.push(it),
      resume: () => undefined,
      seek: () => undefined,
      commit: async () => undefined,
    },
    work: () => new Promise(() => undefined),
    commitIntervalMs: 60_000,
    onCommitFailed: () => undefined,
    onOutcomeSkipped: () => undefined,
    onGap: () => undefined,
    onRevoked: async () => undefined,
  })
  const partition = { topic: 't', partition: 0 }
  assignment.onAssigned([{ ...partition, position: 0 }])
  const count = 10_000
  const records = Array.from({ length: count }, (_, offset) => ({
    ...partition,
    offset,
    timestampMs: 0,
    key: null,
    value: Buffer.from('{}'),
    headers: {},
  }))
  assignment.onBatch({ ...partition, records, fetchedOffset: 0, nextOffset: count, endOffset: count })
  expect(paused).toHaveLength(1)
  assignment.onAssigned([{ ...partition, position: 0 }])
  expect(paused).toHaveLength(2)
})

test('what is settled while a slow commit is under way is committed as well, though nothing follows it', async () => {
  const commits: PromiseWithResolvers<void>[] = []
  let underWay: PromiseWithResolvers<void> | undefined
  const settleAll = async (queue: PartitionQueue): Promise<void> => {
    for (let item = queue.next(); item !== undefined; item = queue.next()) {
      if ('skipTo' in item) queue.tracker.skipTo(item.skipTo)
      else queue.tracker.begin(item.record.offset).acknowledge()
    }
  }
  const assignment = new Assignment({
    source: {
      pause: () => undefined,
      resume: () => undefined,

      seek: () => undefined,
      // As the source does: concurrent callers share one commit.
      commit: () => {
        if (underWay === undefined) {
          underWay = Promise.withResolvers<void>()
          commits.push(underWay)
        }
        return underWay.promise
      },
    },
    work: settleAll,
    commitIntervalMs: 1,
    onCommitFailed: () => undefined,
    onOutcomeSkipped: () => undefined,
    onGap: () => undefined,
    onRevoked: async () => undefined,
  })
  const partition = { topic: 't', partition: 0 }
  const takeOne = (offset: number): void => {
    const record = { ...partition, offset, timestampMs: 0, key: null, value: Buffer.from('{}'), headers: {} }
    assignment.onBatch({
      ...partition,
      records: [record],
      fetchedOffset: offset,
      nextOffset: offset + 1,
      endOffset: offset + 1,
    })
  }
  assignment.onAssigned([{ ...partition, position: 0 }])
  takeOne(0)
  await vi.advanceTimersByTimeAsync(1)
  expect(commits).toHaveLength(1)
  takeOne(1)
  expect(assignment.committable()).toEqual([{ ...partition, offset: 2 }])
  // The second timer fires while the first commit is under way.
  await vi.advanceTimersByTimeAsync(20)
  underWay = undefined
  commits[0]?.resolve()
  await vi.advanceTimersByTimeAsync(1)
  expect(commits).toHaveLength(2)
})

test('a replica that is no member any more sends nothing of what its next owner reads again', async () => {
  const handedOn: number[] = []
  const assignment = new Assignment({
    source: {
      pause: () => undefined,
      resume: () => undefined,
      seek: () => undefined,
      commit: async () => undefined,
    },
    // As intake does: it waits for room, and then checks that the queue is still open.
    work: async (queue) => {
      while (queue.queuedRecords > 0 && queue.isOpen) {
        await room.wait()
        const item = queue.isOpen ? queue.next() : undefined
        if (item !== undefined && 'record' in item) handedOn.push(item.record.offset)
      }
    },
    commitIntervalMs: 60_000,
    onCommitFailed: () => undefined,
    onOutcomeSkipped: () => undefined,
    onGap: () => undefined,
    onRevoked: async () => undefined,
  })
  const room = new Gate(false)
  const partition = { topic: 't', partition: 0 }
  const record = { ...partition, offset: 0, timestampMs: 0, key: null, value: Buffer.from('{}'), headers: {} }
  assignment.onAssigned([{ ...partition, position: 0 }])
  assignment.onBatch({ ...partition, records: [record], fetchedOffset: 0, nextOffset: 1, endOffset: 1 })
  assignment.onLost()
  room.open()
  await vi.advanceTimersByTimeAsync(10)
  expect(handedOn).toEqual([])
  // No other replica has committed a later position.
  assignment.onAssigned([{ ...partition, position: 0 }])
  await vi.advanceTimersByTimeAsync(10)
  expect(handedOn).toEqual([0])
})

test('what was settled while the replica was no member is committed when it is one again', async () => {
  const commits: number[] = []
  const assignment: Assignment = new Assignment({
    source: {
      pause: () => undefined,
      resume: () => undefined,

      seek: () => undefined,
      commit: async () => void commits.push(...assignment.committable().map(({ offset }) => offset)),
    },
    work: async (queue) => {
      for (let item = queue.next(); item !== undefined; item = queue.next()) {
        if ('record' in item) open.push(queue.tracker.begin(item.record.offset))
      }
    },
    commitIntervalMs: 1,
    onCommitFailed: () => undefined,
    onOutcomeSkipped: () => undefined,
    onGap: () => undefined,
    onRevoked: async () => undefined,
  })
  const open: OpenRecord[] = []
  const partition = { topic: 't', partition: 0 }
  const record = { ...partition, offset: 0, timestampMs: 0, key: null, value: Buffer.from('{}'), headers: {} }
  assignment.onAssigned([{ ...partition, position: 0 }])
  assignment.onBatch({ ...partition, records: [record], fetchedOffset: 0, nextOffset: 1, endOffset: 1 })
  assignment.onLost()
  open[0]?.acknowledge()
  // Without a member the source commits nothing.
  await vi.advanceTimersByTimeAsync(10)
  commits.length = 0
  assignment.onAssigned([{ ...partition, position: 0 }])
  await vi.advanceTimersByTimeAsync(10)
  expect(commits).toEqual([1])
})

test('a few records that hold much memory stop every partition from being fetched until half of it is handed on', async () => {
  const fetched = new Set<number>()
  const gate = new Gate(false)
  const assignment = new Assignment({
    source: {
      pause: ({ partition }) => void fetched.delete(partition),
      resume: ({ partition }) => void fetched.add(partition),
      seek: () => undefined,
      commit: async () => undefined,
    },
    work: async (queue) => {
      await gate.wait()
      while (queue.next() !== undefined);
    },
    commitIntervalMs: 60_000,
    onCommitFailed: () => undefined,
    onOutcomeSkipped: () => undefined,
    onGap: () => undefined,
    onRevoked: async () => undefined,
  })
  const partitions = [0, 1, 2].map((partition) => ({ topic: 't', partition, position: 0 }))
  const take = (partition: number, bytes: number) =>
    assignment.onBatch({
      ...{ topic: 't', partition, bytes, fetchedOffset: 0, nextOffset: 1, endOffset: 1 },
      records: [{ topic: 't', partition, offset: 0, timestampMs: 0, key: null, value: null, headers: {} }],
    })
  assignment.onAssigned(partitions)
  take(0, 5_000_000)
  expect([...fetched]).toEqual([0, 1, 2])
  take(1, 5_000_000)
  expect([...fetched]).toEqual([])
  // A new member is paused as well.
  assignment.onAssigned(partitions)
  expect([...fetched]).toEqual([])
  gate.open()
  await vi.advanceTimersByTimeAsync(1)
  expect([...fetched].sort()).toEqual([0, 1, 2])
})
