import { afterEach, expect, inject, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { relayCommand } from '../support/relay-command.ts'
import { readMetric } from '../support/relay-metrics.ts'
import type { RelaySite } from '../support/relay-site.ts'
import { end } from '../support/relying-party-server.ts'
import { Examined } from '../support/run-doctor.ts'
import { TopicLog } from '../support/topic-log.ts'
import { openSite } from './open-site.ts'

let site: RelaySite

afterEach(() => site.close())

test('what waits behind a transaction that is left open is lag, and a finding of relay and doctor; then it is delivered', async () => {
  site = await openSite({ env: { CHECK_INTERVAL_MS: '100' } })
  const registration = site.registration('/behind')
  await site.registerInRedis(registration)
  const relay = await site.startRelay()
  const close = await site.topic.leaveOpen({ partition: 0, value: '{}' })
  await site.topic.publish({ ...site.terminated(registration), partition: 0 })
  await eventually(async () => expect(await readMetric(relay, 'consumer_lag_records')).toBe(2))
  await relay.waitForLog(({ msg, check }) => msg === 'check' && check === 'open-transaction')
  const [traced, examined] = await Promise.all([
    relayCommand(['trace', registration.sessionId], site.commandEnvironment()),
    Examined.by(site.commandEnvironment()),
  ])
  expect(traced.stderr).toMatch(/2 record.* open/)
  expect(traced.stdout).toMatch(/ waiting .*open transaction.*session-terminated/)
  expect(traced.status).toBe(1)
  expect(examined.of('open-transaction')[0]).toMatch(/^error: 2 record/)
  expect(await readMetric(relay, 'check_findings', { check: 'open-transaction' })).toBe(1)
  await close()
  await site.topic.waitForOutcome(registration.clientId)
  await relay.waitForLog(({ msg, check }) => msg === 'check: resolved' && check === 'open-transaction')
})

test('a trigger behind an aborted one is delivered by a relay that runs', async () => {
  site = await openSite()
  const registration = site.registration('/after-abort')
  await site.registerInRedis(registration)
  await site.startRelay()
  await site.topic.publishAborted({ partition: 0, value: '{}' })
  await site.topic.publish({ ...site.terminated(registration), partition: 0 })
  await site.topic.waitForOutcome(registration.clientId)
})

test('a topic that is created anew while the relay runs: all of its triggers are told, and it is a finding', async () => {
  const path = '/anew'
  site = await openSite({ env: { CHECK_INTERVAL_MS: '100' } })
  const old = site.registration(path)
  const sessions = Array.from({ length: 40 }, () => site.registration(path))
  await site.registerInRedis(old, ...sessions)
  const relay = await site.startRelay()
  await site.topic.publish(site.terminated(old))
  await eventually(() => expect(site.rps.at(path)).toHaveLength(1))
  await eventually(async () => expect(await site.topic.lag(site.groupId)).toBe(0))
  await site.topic.recreate()
  await site.topic.publishFresh(...sessions.map((it) => site.terminated(it)))
  await eventually(() => expect(site.rps.at(path)).toHaveLength(41))
  await relay.waitForLog(({ msg, check }) => msg === 'check' && check === 'topic-recreated')
  expect(await readMetric(relay, 'positions_passed_total', { why: 'recreated' })).toBeGreaterThan(0)
})

test('one of two input topics is deleted: the other is read on, the finding names that one, and created anew it is read from its beginning', async () => {
  const path = '/two'
  site = await openSite({ env: { CHECK_INTERVAL_MS: '100' } })
  const create = () => TopicLog.create(inject('kafkaBrokers'), `${site.topic.name}.other`, { partitions: 2 })
  const endSessions = async (log: TopicLog) => {
    const logins = [site.registration(path), site.registration(path)]
    await log.publish(...logins.map((it) => site.registered(it)), ...logins.map((it) => site.terminated(it)))
  }
  const other = await create()
  const relay = await site.startRelay({ KAFKA_TOPICS: `${site.topic.name},${other.name}` })
  await endSessions(site.topic)
  await endSessions(other)
  await eventually(() => expect(site.rps.at(path)).toHaveLength(4))
  await other.deleteTopic(other.name)
  await other.close()
  const { about } = await relay.waitForLog(({ check }) => check === 'topic-missing')
  expect(about).toBe(other.name)
  await endSessions(site.topic)
  await eventually(() => expect(site.rps.at(path)).toHaveLength(6))
  await eventually(async () => expect(await site.topic.lag(site.groupId)).toBe(0))
  const anew = await create()
  try {
    await endSessions(anew)
    await eventually(() => expect(site.rps.at(path)).toHaveLength(8))
    await relay.waitForLog(({ msg, check }) => msg === 'check: resolved' && check === 'topic-missing')
    const missing = relay.log.filter(({ check, msg }) => check === 'topic-missing' && msg === 'check')
    expect(missing.map((line) => line.about)).toEqual([other.name])
  } finally {
    await anew.close()
  }
})

test('retention passes the position of a relay that is down: the rest is told, and what is missing is a finding', async () => {
  const path = '/retained'
  site = await openSite({ env: { CHECK_INTERVAL_MS: '100' } })
  const sessions = Array.from({ length: 5 }, () => site.registration(path))
  await site.registerInRedis(...sessions)
  await (await site.startRelay()).stop()
  const triggers = sessions.map((it) => ({ ...site.terminated(it), partition: 0 }))
  await site.topic.publish(...triggers.slice(0, 3))
  await site.topic.deleteBefore(0, 3)
  await site.topic.publish(...triggers.slice(3))
  const relay = await site.startRelay()
  await eventually(() => expect(site.rps.at(path)).toHaveLength(2))
  await relay.waitForLog(({ msg, check }) => msg === 'check' && check === 'positions-passed')
  expect(await readMetric(relay, 'records_missed_total')).toBe(3)
  await eventually(async () => expect(await site.topic.lag(site.groupId)).toBe(0))
})

test('an outcome behind an open transaction settles: after a loss of Redis nobody is told again, and commands say so', async () => {
  site = await openSite({ topic: { partitions: 1 } })
  const isOpen = Promise.withResolvers<void>()
  site.rps.uri('/hidden', (_, response) => void isOpen.promise.then(() => end(response, 200)))
  const registration = site.registration('/hidden')
  const relay = await site.startRelay()
  await site.topic.publish(site.registered(registration), site.terminated(registration))
  await site.rps.waitFor('/hidden')
  const close = await site.topic.leaveOpen({ partition: 0, value: '{}' })
  isOpen.resolve()
  await eventually(async () => expect(await site.redisKeys('session:*')).toEqual([]))
  const judge = async () => {
    const run = (...args: string[]) => relayCommand(args, site.commandEnvironment())
    const [traced, compared, replayed] = await Promise.all([
      run('trace', registration.sessionId, '--json'),
      run('reconcile', '--dry-run', '--json'),
      run('replay', '--from', '1h', '--dry-run', '--json'),
    ])
    for (const { status, stderr } of [traced, compared, replayed]) {
      expect(stderr).toMatch(/2 record.* open/)
      expect(status).toBe(1)
    }
    expect(traced.stdout).toContain('"sent":1')
    expect(compared.stdout).toContain('"missing":0')
    expect(replayed.stdout).toContain('"owed":0')
  }
  await judge()
  await site.redis.del(await site.redisKeys())
  await eventually(async () => {
    expect(await readMetric(relay, 'registry_losses_total')).toBe(1)
    expect(await readMetric(relay, 'registry_intact')).toBe(1)
  })
  expect(await site.redisKeys('session:*')).toEqual([])
  await judge()
  await close()
  await eventually(async () => expect(await site.topic.lag(site.groupId)).toBe(0))
  expect(site.rps.at('/hidden')).toHaveLength(1)
})

/** Long enough ago that whoever logs in now logs in later, whatever the clocks say. */
const FORMERLY_MS = 3_600_000

test.each([
  ['while its tombstone stands', async () => undefined],
  ['after a loss of Redis', async () => void (await site.redis.del(await site.redisKeys()))],
])(
  'a trigger without an id, where a former life of the topic held one for the same session, is a new one: %s',
  async (_, lose) => {
    site = await openSite({ topic: { partitions: 1 } })
    const outcomes = await TopicLog.create(inject('kafkaBrokers'), `${site.topic.name}.outcomes`, {
      partitions: 1,
    })
    try {
      const former = Date.now() - FORMERLY_MS
      const login = site.registration('/twice', { registeredAt: new Date(former - 1_000).toISOString() })
      const again = { ...login, registeredAt: new Date().toISOString() }
      const written = (it: typeof login, timestamp: number) =>
        [site.registered(it, { id: '' }), site.terminated(it, { id: '' })].map((record) => ({
          ...record,
          timestamp: String(timestamp),
        }))
      const relay = await site.startRelay({ KAFKA_OUTCOME_TOPIC: outcomes.name })
      await site.topic.publish(...written(login, former))
      await eventually(() => expect(outcomes.outcomes).toHaveLength(1))
      expect(await relay.stop()).toBe(0)
      await site.topic.recreate({ partitions: 1 })
      await lose()
      await site.startRelay({ KAFKA_OUTCOME_TOPIC: outcomes.name })
      await site.topic.publishFresh(...written(again, Date.now()))
      await eventually(() => expect(outcomes.outcomes).toHaveLength(2))
      expect(site.rps.at('/twice')).toHaveLength(2)
      const [first, second] = outcomes.outcomes
      expect(second?.data.trigger).toMatchObject({ offset: 1, topic: site.topic.name })
      expect(first?.data.trigger).toMatchObject({ offset: 1, topic: site.topic.name })
      expect(second?.headers.ce_id).not.toBe(first?.headers.ce_id)
    } finally {
      await outcomes.close()
    }
  },
)
