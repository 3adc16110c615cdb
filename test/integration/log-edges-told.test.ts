import { afterEach, expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { relayCommand } from '../support/relay-command.ts'
import { readMetric } from '../support/relay-metrics.ts'
import type { RelaySite } from '../support/relay-site.ts'
import { Examined } from '../support/run-doctor.ts'
import { openSite } from './open-site.ts'

let site: RelaySite

afterEach(() => site.close())

test('what waits behind a transaction that is left open is lag, and a finding of relay and doctor; then it is delivered', async () => {
  site = await openSite({ env: { CHECK_INTERVAL_MS: '100' } })
  const registration = site.registration('/behind')
  await site.registerInRedis(registration)
  const relay = await site.startRelay()
  const end = await site.topic.leaveOpen({ partition: 0, value: '{}' })
  await site.topic.publish({ ...site.terminated(registration), partition: 0 })
  await eventually(async () => expect(await readMetric(relay, 'consumer_lag_records')).toBe(2))
  await relay.waitForLog(({ msg, check }) => msg === 'check' && check === 'open-transaction')
  const traced = await relayCommand(['trace', registration.sessionId], site.commandEnvironment())
  expect(traced.stderr).toMatch(/2 record.* open/)
  expect(traced.status).toBe(1)
  const examined = await Examined.by(site.commandEnvironment())
  expect(examined.of('open-transaction')[0]).toMatch(/^error: 2 record/)
  expect(await readMetric(relay, 'check_findings', { check: 'open-transaction' })).toBe(1)
  await end()
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
