import { expect, test } from 'vitest'
import { ConsumerLag } from '../../../src/intake/consumer-lag.ts'
import type { PartitionQueue } from '../../../src/intake/partition-queue.ts'
import { RecentFailures } from '../../../src/status/recent-failures.ts'
import { type SnapshotSources, StatusReader } from '../../../src/status/status-snapshot.ts'
import { Metrics } from '../../../src/telemetry/metrics.ts'
import { manualClock } from '../manual-clock.ts'

function queue(topic: string, partition: number, endOffset: number, committable: number): PartitionQueue {
  return { topic, partition, endOffset, tracker: { committable, openRecords: 1 } } as PartitionQueue
}

function sources(overrides: Partial<SnapshotSources> = {}): SnapshotSources {
  const clock = manualClock(1_000)
  return {
    assignment: { queues: [] },
    backlog: { sizes: async () => [] },
    checkup: { findings: [] },
    clock,
    core: {
      dispatcher: { inFlight: 1, waiting: 2 },
      open: { size: 3 },
      settlement: { size: 4 },
      relyingParties: { [Symbol.iterator]: () => [][Symbol.iterator]() },
    },
    delivery: { maxInFlight: 256, maxUnsettled: 320 },
    failures: new RecentFailures(clock),
    guard: { isIntact: true },
    issuers: { only: 'https://op.example', known: () => [{}] },
    lag: new ConsumerLag(async () => []),
    metrics: new Metrics(),
    mode: 'live',
    notReady: () => ({}),
    rebuilding: () => ({ phase: 'triggers', records: 5, recordsTotal: 9 }),
    version: '1.2.3',
    ...overrides,
  }
}

test('what it consists of when nothing has happened', async () => {
  const snapshot = await new StatusReader(sources()).read()
  expect(snapshot).toMatchObject({
    atMs: 1_000,
    uptimeMs: 0,
    version: '1.2.3',
    issuer: 'https://op.example',
    notReady: [],
    findings: [],
    load: { inFlight: 1, inFlightMax: 256, waiting: 2, unsettled: 3, unsettledMax: 320, outcomesPending: 4 },
    backlog: { parked: 0, rps: 0, isOld: false, isCut: false, readAtMs: 1_000 },
    relyingParties: { rows: [], total: 0, silent: 0 },
    partitions: [],
    failures: [],
  })
})

test('the progress of a rebuild is shown while there is one, and not for ever after', async () => {
  expect((await new StatusReader(sources()).read()).rebuild).toBeUndefined()
  const lost = sources({ guard: { isIntact: false } })
  expect((await new StatusReader(lost).read()).rebuild).toEqual({
    phase: 'triggers',
    records: 5,
    recordsTotal: 9,
  })
})

test('partitions that are furthest behind stand first; before the first fetch the lag is not known', async () => {
  const queues = [queue('a', 0, 10, 10), queue('a', 1, -1, 7), queue('b', 0, 30, 10), queue('a', 2, 5, 9)]
  const { partitions } = await new StatusReader(sources({ assignment: { queues } })).read()
  expect(partitions.map(({ topic, partition, lag }) => [topic, partition, lag])).toEqual([
    ['b', 0, 20],
    ['a', 0, 0],
    ['a', 1, undefined],
    ['a', 2, 0],
  ])
})

test('findings and reasons name no keys of sessions', async () => {
  const key = 'lr:session:{https://op.example|s-17}'
  const finding = { check: 'redis-keys', severity: 'warning', remedy: 'rename it' } as const
  const findings = [
    { ...finding, text: `keys with a wrong type: ${key}`, summary: 'keys with a wrong type' },
    { ...finding, text: `unread: ${key}` },
  ]
  const notReady = () => ({ redis: `fails at ${key}` })
  const snapshot = await new StatusReader(sources({ checkup: { findings }, notReady })).read()
  expect(snapshot.findings.map(({ text }) => text)).toEqual([
    'keys with a wrong type',
    'unread: lr:session:{…}',
  ])
  expect(snapshot.notReady).toEqual([{ part: 'redis', reason: 'fails at lr:session:{…}' }])
})

test('a Redis that has never answered leaves the sizes unknown and the rest in place', async () => {
  const backlog = { sizes: () => Promise.reject(new Error('away')) }
  const snapshot = await new StatusReader(sources({ backlog })).read()
  expect(snapshot.backlog).toEqual({ parked: 0, rps: 0, isOld: true, isCut: false })
})
