import { expect, test } from 'vitest'
import type { Delivery } from '../../../src/delivery/delivery.ts'
import { ConsumerLag } from '../../../src/intake/consumer-lag.ts'
import type { PartitionQueue } from '../../../src/intake/partition-queue.ts'
import { RecentFailures } from '../../../src/status/recent-failures.ts'
import { type SnapshotSources, StatusReader } from '../../../src/status/status-snapshot.ts'
import { Metrics } from '../../../src/telemetry/metrics.ts'
import { knownRelyingParties } from '../delivery/known-relying-parties.ts'
import { manualClock } from '../manual-clock.ts'

function queue(topic: string, partition: number, endOffset: number, committable: number): PartitionQueue {
  return { topic, partition, endOffset, tracker: { committable, openRecords: 1 } } as PartitionQueue
}

const served = { deadlineMs: 3_600_000, isEnabled: true, isMisnamed: false }

function sources(overrides: Partial<SnapshotSources> = {}): SnapshotSources {
  const clock = manualClock(1_000)
  return {
    assignment: { queues: [] },
    backlog: { sizes: async () => [], earliestDeadlines: async () => [] },
    checkup: { findings: [], unseen: [] },
    clock,
    core: {
      dispatcher: { inFlight: 1, waiting: 2 },
      open: { size: 3 },
      settlement: { size: 4 },
      relyingParties: { stateOf: () => undefined, [Symbol.iterator]: () => [][Symbol.iterator]() },
    },
    delivery: { maxInFlight: 256, maxUnsettled: 320, retry: { deadlineMs: 3_600_000 } },
    failures: new RecentFailures(clock),
    guard: { isIntact: true },
    issuers: { only: 'https://op.example', known: () => [{}], get: () => served },
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
    relyingParties: { rows: [], total: 0, silent: 0, troubled: [], troubledTotal: 0 },
    mode: 'live',
    headline: { kind: 'nothing-yet' },
    partitions: [],
    partitionsTotal: 0,
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
  const snapshot = await new StatusReader(sources({ checkup: { findings, unseen: [] }, notReady })).read()
  expect(snapshot.findings.map(({ text }) => text)).toEqual([
    'keys with a wrong type',
    'unread: lr:session:{…}',
  ])
  expect(snapshot.notReady).toEqual([{ part: 'redis', reason: 'fails at lr:session:{…}' }])
})

test('a Redis that has never answered leaves the sizes unknown and the rest in place', async () => {
  const away = () => Promise.reject(new Error('away'))
  const backlog = { sizes: away, earliestDeadlines: away }
  const snapshot = await new StatusReader(sources({ backlog })).read()
  expect(snapshot.backlog).toEqual({ parked: 0, rps: 0, isOld: true, isCut: false })
})

const HOUR = 3_600_000

/** One delivery parked for each client, with that deadline. */
function parkedUntil(deadlines: Readonly<Record<string, number>>): SnapshotSources['backlog'] {
  const keys = Object.keys(deadlines)
  return {
    sizes: async () => keys.map((rpKey) => ({ rpKey, size: 1, nextDueMs: 1_000 })),
    earliestDeadlines: async (rpKeys) => rpKeys.map((rpKey) => deadlines[rpKey]),
  }
}

test('what is late is told by the time that its issuer allows', async () => {
  const backlog = parkedUntil({ 'https://a|shop': 1_000 + 2 * HOUR, 'https://b|wiki': 1_000 + 2 * HOUR })
  const get = (issuer: string) => ({
    ...served,
    deadlineMs: issuer === 'https://a' ? 3 * HOUR : 24 * HOUR,
  })
  const issuers = { only: undefined, known: () => [{}, {}], get }
  const { headline, relyingParties } = await new StatusReader(sources({ backlog, issuers })).read()
  expect(relyingParties.late).toMatchObject({ issuer: 'https://b', clientId: 'wiki' })
  expect(headline.kind).toBe('late')
  expect(headline.title).toContain('wiki of b')
})

test('an RP that takes no logouts is named first, with the deadline of its oldest delivery', async () => {
  const clock = manualClock(1_000)
  const failures = new RecentFailures(clock)
  const parties = knownRelyingParties()
  const rp = parties.get('https://op.example', 'wiki')
  const registration = { backchannelLogoutUri: 'https://wiki.example/bcl' }
  const attempted = { rp, registration, lastStatus: 400 } as unknown as Delivery
  failures.attemptFailed(attempted)
  const backlog = parkedUntil({ [rp.key]: 1_000 + HOUR, 'https://op.example|shop': 1_000 + HOUR })
  const reader = new StatusReader(sources({ backlog, clock, failures }))
  const { headline, relyingParties } = await reader.read()
  expect(headline.kind).toBe('not-answering')
  expect(headline.title).toContain('wiki')
  expect(relyingParties.troubledTotal).toBe(1)
  expect(relyingParties.troubled[0]).toMatchObject({ clientId: 'wiki', deadlineMs: 1_000 + HOUR, parked: 1 })
  expect(relyingParties.troubled[0]?.symptom).toContain('HTTP 400')
  failures.accepted(rp.key)
  expect((await reader.read()).headline.kind).not.toBe('not-answering')
})

test('failures have their reasons with remedies; what an operator wanted is none', async () => {
  const metrics = new Metrics()
  const reader = new StatusReader(sources({ metrics }))
  await reader.throughput.sample()
  metrics.deliveries.inc({ outcome: 'failed', reason: 'discarded' }, 5)
  expect((await reader.read()).headline.kind).not.toBe('failing')
  metrics.deliveries.inc({ outcome: 'failed', reason: 'blocked' }, 3)
  const { failedBy, headline } = await reader.read()
  expect(failedBy).toMatchObject([{ reason: 'blocked', recently: 3, total: 3 }])
  expect(failedBy[0]?.remedy).toContain('EGRESS_ALLOW')
  expect(headline.kind).toBe('failing')
})

test.each([
  ['unknown', undefined],
  ['disabled', { ...served, isEnabled: false }],
  ['misnamed', { ...served, isMisnamed: true }],
])('what is parked for an issuer that is %s is no backlog that is sent, nor late', async (why, of) => {
  const backlog = parkedUntil({ 'https://a|shop': 1_000 })
  const issuers = { only: 'https://b', known: () => [{}], get: () => of }
  const { headline, relyingParties } = await new StatusReader(sources({ backlog, issuers })).read()
  expect(headline.kind).toBe('withheld')
  expect(relyingParties).toMatchObject({
    troubledTotal: 0,
    rows: [{ issuer: 'https://a', clientId: 'shop', withheld: why, parked: 1 }],
    withheld: { parked: 1, issuers: [{ issuer: 'https://a', why, parked: 1 }] },
  })
  expect(relyingParties.late).toBeUndefined()
  expect(relyingParties.rows[0]).not.toHaveProperty('deadlineMs')
})

test('a finding tells what it is about: of several issuers, which; no key of a session', async () => {
  const base = { check: 'key-published', severity: 'warning', remedy: 'publish it' } as const
  const findings = [
    { ...base, about: 'https://a kid-1', text: 'kid-1 is not published' },
    { ...base, about: 'lr:session:{x|y}', text: 'lr:session:{x|y} is odd', summary: 'a key is odd' },
  ]
  const snapshot = await new StatusReader(sources({ checkup: { findings, unseen: [] } })).read()
  expect(snapshot.findings.map(({ about }) => about)).toEqual(['https://a kid-1', undefined])
})
