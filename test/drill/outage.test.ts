import { expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { Drill } from './drill.ts'

test('Replay after an outage: deadlines have passed, and Redis has lost a registration', async () => {
  const env = { RETRY_DEADLINE_MS: '2000' }
  await using drill = await Drill.open('Replay after an outage', { env })
  const { site } = drill
  const relay = await drill.startRelay()
  site.rps.uri('/down', 503)
  const down = site.registration('/down')
  const lost = site.registration('/lost')
  const kept = site.registration('/kept')
  await site.topic.publish(...[down, lost, kept].map((it) => site.registered(it)))
  const isKnown = async () => {
    for (const it of [down, lost, kept])
      expect(await site.redis.exists(site.sessionKey(it.sessionId))).toBe(1)
  }
  await eventually(isKnown)
  await site.redis.del(site.sessionKey(lost.sessionId))
  await site.topic.publish(...[down, lost, kept].map((it) => site.terminated(it)))
  await site.topic.waitForOutcome(kept.clientId)
  const expired = await site.topic.waitForOutcome(down.clientId)
  expect(expired.data).toMatchObject({ reason: 'expired' })
  expect(site.rps.at('/lost')).toEqual([])

  const summary = async (line: string) => {
    const { rows, status, stderr } = await drill.run(line, {}, '--json')
    expect(status, stderr).toBe(0)
    return rows.find(({ step }) => step === 'summary')
  }
  const differs = await drill.run('logout-relay reconcile --dry-run', {}, '--json')
  expect(JSON.stringify(differs.rows)).toContain(lost.clientId)
  expect((await drill.run('logout-relay reconcile')).status).toBe(0)

  site.rps.uri('/down', 200)
  const owed = 'logout-relay replay --from 6h --dry-run'
  await summary(owed)
  await summary('logout-relay replay --from 6h --rate 200')
  expect(site.rps.at('/lost')).toHaveLength(1)
  const failed = 'logout-relay replay --from 6h --failed --dry-run'
  expect(await summary(failed)).toMatchObject({ owed: 1 })
  await summary('logout-relay replay --from 6h --failed --rate 200')
  for (const line of [owed, failed]) expect(await summary(line)).toMatchObject({ owed: 0 })
  expect(site.rps.at('/kept')).toHaveLength(1)
  expect(await relay.stop()).toBe(0)
  drill.isFollowed()
})
