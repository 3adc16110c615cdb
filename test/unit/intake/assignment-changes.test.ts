import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Assignment } from '../../../src/intake/assignment.ts'
import type { OpenRecord } from '../../../src/intake/offset-tracker.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const partition = { topic: 't', partition: 0 }
const COMMIT_MS = 10

/** An assignment whose records the test settles. `refusals`: how many commits the group refuses first. */
function site(refusals = 0) {
  const open: OpenRecord[] = []
  const commits: unknown[] = []
  const failures: unknown[] = []
  const assignment: Assignment = new Assignment({
    source: {
      pause: () => undefined,
      resume: () => undefined,
      seek: () => undefined,
      commit: async () => {
        commits.push(assignment.committable())
        if (commits.length <= refusals) throw new Error('the group rebalances')
      },
    },
    work: async (queue) => {
      for (let item = queue.next(); item !== undefined; item = queue.next())
        if ('record' in item) open.push(queue.tracker.begin(item.record.offset))
    },
    commitIntervalMs: COMMIT_MS,
    onCommitFailed: (error) => failures.push(error),
    onCommitted: () => undefined,
    onGap: () => undefined,
    onOutcomeSkipped: () => undefined,
    onRevoked: async () => undefined,
  })
  const bring = (offset: number): void => {
    const record = { ...partition, offset, timestampMs: 0, key: null, value: Buffer.from('{}'), headers: {} }
    const nextOffset = offset + 1
    const batch = { ...partition, records: [record], fetchedOffset: offset }
    assignment.onBatch({ ...batch, nextOffset, endOffset: nextOffset })
  }
  return { assignment, bring, commits, failures, open }
}

test('a partition in which another owner has come further is read from there; what it settles late moves nothing', () => {
  const { assignment, bring, open } = site()
  assignment.onAssigned([{ ...partition, position: 0 }])
  bring(0)
  assignment.onAssigned([{ ...partition, position: 5 }])
  expect(assignment.nextWanted(partition)).toBe(5)
  bring(5)
  open[0]?.acknowledge()
  expect(assignment.committable()).toEqual([{ ...partition, offset: 5 }])
  expect(open).toHaveLength(2)
})

test('a topic that was created anew is read from its beginning, though the queue of the old one had come further', () => {
  const { assignment, bring } = site()
  assignment.onAssigned([{ ...partition, position: 0, topicId: 'old' }])
  bring(0)
  assignment.onAssigned([{ ...partition, position: 0, topicId: 'old' }])
  expect(assignment.nextWanted(partition)).toBe(1)
  assignment.onAssigned([{ ...partition, position: 0, topicId: 'new' }])
  expect(assignment.nextWanted(partition)).toBe(0)
})

test('a commit that is refused is made again, though nothing more is settled', async () => {
  const { assignment, bring, commits, failures, open } = site(1)
  assignment.onAssigned([{ ...partition, position: 0 }])
  bring(0)
  open[0]?.acknowledge()
  await vi.advanceTimersByTimeAsync(COMMIT_MS)
  expect([commits.length, failures.length]).toEqual([1, 1])
  await vi.advanceTimersByTimeAsync(COMMIT_MS)
  expect(commits).toHaveLength(2)
  await vi.advanceTimersByTimeAsync(10 * COMMIT_MS)
  expect([commits.length, failures.length]).toEqual([2, 1])
})

test('of a partition that was given up nothing more is handed on', () => {
  const { assignment, bring } = site()
  assignment.onAssigned([{ ...partition, position: 0 }])
  const [queue] = assignment.queues
  bring(0)
  assignment.onAssigned([])
  expect(queue?.isClosed).toBe(true)
  expect(assignment.committable()).toEqual([])
})
