import { expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { readMetric } from '../support/relay-metrics.ts'
import type { RelaySite } from '../support/relay-site.ts'
import { Drill } from './drill.ts'

async function logOut(site: RelaySite, path: string) {
  const registration = site.registration(path)
  await site.topic.publish(site.registered(registration), site.terminated(registration))
  return registration
}

const parkedAt = (drill: Drill, clientId: string) =>
  readMetric({ url: drill.url() }, 'backlog_deliveries', { client_id: clientId })

test('LogoutRelayDeliveryLate: an RP that is back in time, and one that is not', async () => {
  const env = { RETRY_DEADLINE_MS: '40000', RETRY_MAX_ATTEMPTS: '1000', BREAKER_FAILURES: '1000' }
  await using drill = await Drill.open('LogoutRelayDeliveryLate', { env })
  const { site } = drill
  await drill.startRelay()
  site.rps.uri('/late', 503)
  site.rps.uri('/too-late', 503)
  const late = await logOut(site, '/late')
  const tooLate = await logOut(site, '/too-late')
  await drill.fires()
  const list = await drill.run('logout-relay backlog list', {}, '--json')
  expect(list.rows.map(({ clientId }) => clientId)).toEqual(
    expect.arrayContaining([late.clientId, tooLate.clientId]),
  )
  const show = await drill.run('logout-relay backlog show <client>', { client: late.clientId }, '--json')
  expect(JSON.stringify(show.rows)).toContain('503')

  site.rps.uri('/late', 200)
  const retry = await drill.run('logout-relay backlog retry <client>', { client: late.clientId })
  expect(retry.status, retry.stderr).toBe(0)
  const sent = await site.topic.waitForOutcome(late.clientId)
  expect(sent.headers.ce_type).toBe('backchannel-logout-sent')

  const expired = await site.topic.waitForOutcome(tooLate.clientId, tooLate.sessionId, 60_000)
  expect(expired.data).toMatchObject({ reason: 'expired' })
  site.rps.uri('/too-late', 200)
  const replay = await drill.run('logout-relay replay --failed --from <time> --client <client>', {
    time: '10m',
    client: tooLate.clientId,
  })
  expect(replay.status, replay.stderr).toBe(0)
  expect(site.rps.at('/too-late').at(-1)?.claims.sid).toBe(tooLate.sessionId)
  await drill.resolves()
})

test('LogoutRelayDeliveriesFailed: an RP that moved', async () => {
  await using drill = await Drill.open('LogoutRelayDeliveriesFailed')
  const { site } = drill
  const relay = await drill.startRelay()
  const uri = site.rps.uri('/moved', 410)
  const { clientId } = await logOut(site, '/moved')
  await drill.fires({ client_id: clientId })
  const line = await drill.loggedBy(relay, '"msg":"delivery failed"')
  expect(line).toMatchObject({ client: clientId, reason: 'rejected' })
  const looked = await drill.run(
    'logout-relay doctor --rp <uri> --client <client>',
    { uri, client: clientId },
    '--json',
  )
  expect(looked.rows.find(({ check }) => check === 'rp-answer')).toMatchObject({ severity: 'error' })

  site.rps.uri('/moved', 200)
  const again = 'logout-relay replay --failed --from <time> --client <client>'
  const values = { time: '10m', client: clientId }
  const dry = await drill.run(again, values, '--dry-run', '--json')
  expect(dry.rows.find(({ step }) => step === 'summary')).toMatchObject({ owed: 1 })
  expect(site.rps.at('/moved').filter(({ token }) => token !== '')).toHaveLength(1)
  const replay = await drill.run(again, values)
  expect(replay.status, replay.stderr).toBe(0)
  expect(site.rps.at('/moved').filter(({ token }) => token.split('.').length === 3)).toHaveLength(2)
  await drill.resolves()
})

test('LogoutRelayBreakerOpen: an RP that does not answer, and comes back', async () => {
  const env = { BREAKER_FAILURES: '1', BREAKER_COOLDOWN_MS: '1000', BREAKER_MAX_COOLDOWN_MS: '2000' }
  await using drill = await Drill.open('LogoutRelayBreakerOpen', { env })
  const { site } = drill
  await drill.startRelay()
  const uri = site.rps.uri('/silent', 503)
  const { clientId } = await logOut(site, '/silent')
  await drill.fires({ client_id: clientId })
  const show = await drill.run('logout-relay backlog show <client>', { client: clientId }, '--json')
  expect(JSON.stringify(show.rows)).toContain('503')
  const looked = await drill.run('logout-relay doctor --rp <uri>', { uri }, '--json')
  const found = (name: string) => looked.rows.find(({ check }) => check === name)?.severity
  expect(found('rp-connects')).toBe('ok')
  expect(found('rp-answer')).toBe('error')
  const other = await logOut(site, '/not-slowed')
  await site.topic.waitForOutcome(other.clientId)

  site.rps.uri('/silent', 200)
  await site.topic.waitForOutcome(clientId)
  await eventually(async () => expect(await parkedAt(drill, clientId)).toBe(0))
  await drill.resolves()
})
