import { afterEach, beforeEach, expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { readMetric } from '../support/relay-metrics.ts'
import type { RelaySite } from '../support/relay-site.ts'
import { end } from '../support/relying-party-server.ts'
import { openSite } from './open-site.ts'

let site: RelaySite

beforeEach(async () => {
  site = await openSite()
})
afterEach(() => site.close())

async function emptyRedis(): Promise<void> {
  const keys = await site.redisKeys()
  if (keys.length > 0) await site.redis.del(keys)
}

const everythingIsSettled = () => eventually(async () => expect(await site.topic.lag(site.groupId)).toBe(0))

test('an emptied Redis is rebuilt from the topic: registrations less what was settled, and triggers still owed are sent', async () => {
  const relay = await site.startRelay()
  let isDown = true
  const settled = site.registration('/settled')
  const alive = site.registration('/alive')
  const owed = site.registration('/owed', {
    sessionId: settled.sessionId,
    backchannelLogoutUri: site.rps.uri('/owed', (_request, response) =>
      isDown ? end(response, 503, { 'retry-after': '300' }) : end(response, 200),
    ),
  })
  await site.topic.publish(
    ...[settled, alive, owed].map((it) => site.registered(it)),
    site.terminated(settled),
  )
  await site.topic.waitForOutcome(settled.clientId)
  await site.rps.waitFor('/owed')
  await everythingIsSettled()
  expect(await relay.stop()).toBe(0)
  const before = await site.redis.hkeys(site.sessionKey(alive.sessionId))
  await emptyRedis()
  isDown = false

  const second = await site.startRelay()
  // The trigger had been committed; its parked delivery is gone with Redis, and owed nevertheless.
  const { data } = await site.topic.waitForOutcome(owed.clientId)
  expect(data).toMatchObject({ status: 200, attempts: 1 })
  expect(site.rps.at('/settled')).toHaveLength(1)
  expect(await site.redis.hkeys(site.sessionKey(alive.sessionId))).toEqual(before)
  await eventually(async () => expect(await site.redis.exists(site.sessionKey(settled.sessionId))).toBe(0))

  await site.topic.publish(site.terminated(alive))
  await site.topic.waitForOutcome(alive.clientId)
  await everythingIsSettled()
  expect(await readMetric(second, 'deliveries_total', { outcome: 'sent' })).toBe(2)
  expect(site.rps.at('/settled')).toHaveLength(1)
})

test('registrations that were on the topic before the first start are known, old triggers are not sent', async () => {
  const ended = site.registration('/before/ended')
  const alive = site.registration('/before/alive')
  await site.topic.publish(site.registered(ended), site.registered(alive), site.terminated(ended))
  await site.startRelay()
  await site.topic.publish(site.terminated(alive))
  await site.topic.waitForOutcome(alive.clientId)
  await everythingIsSettled()
  expect(site.rps.at('/before/ended')).toEqual([])
  // Its session is over all the same.
  expect(await site.redis.hlen(site.sessionKey(ended.sessionId))).toBe(0)
})

test('a new group that starts from the earliest record sends old triggers, too', async () => {
  const ended = site.registration('/earliest')
  await site.topic.publish(site.registered(ended), site.terminated(ended))
  await site.startRelay({ KAFKA_START_FROM: 'earliest' })
  await site.topic.waitForOutcome(ended.clientId)
  await everythingIsSettled()
  expect(site.rps.at('/earliest')).toHaveLength(1)
})

test('a group that is rewound while Redis is empty sends nothing that was settled, however long ago', async () => {
  const env = { TOMBSTONE_MS: '1000' }
  const relay = await site.startRelay(env)
  const settled = Array.from({ length: 20 }, () => site.registration('/rewound'))
  await site.topic.publish(...settled.map((it) => site.registered(it)))
  await everythingIsSettled()
  await site.topic.publish(...settled.map((it) => site.terminated(it)))
  await eventually(() => expect(site.topic.outcomes).toHaveLength(settled.length))
  await everythingIsSettled()
  expect(await relay.stop()).toBe(0)
  const oldAtMs = Date.now() + Number(env.TOMBSTONE_MS)
  await eventually(() => expect(Date.now()).toBeGreaterThan(oldAtMs))
  await emptyRedis()
  await site.topic.rewind(site.groupId)
  await site.startRelay(env)
  await everythingIsSettled()
  expect(site.rps.at('/rewound')).toHaveLength(settled.length)
  expect(site.topic.outcomes).toHaveLength(settled.length)
  expect(await site.redisKeys('session:*')).toEqual([])
})

test('two replicas that start on an empty Redis rebuild it once', async () => {
  const relay = await site.startRelay()
  const registrations = Array.from({ length: 50 }, () => site.registration('/two', { clientId: 'two' }))
  await site.topic.publish(...registrations.map((it) => site.registered(it)))
  await everythingIsSettled()
  await relay.stop()
  await emptyRedis()
  const relays = await Promise.all([site.startRelay(), site.startRelay()])
  const rebuilt = relays.filter(({ log }) => log.some(({ phase }) => phase === 'registrations'))
  expect(rebuilt).toHaveLength(1)
  expect(await site.redisKeys('session:*')).toHaveLength(50)
  await site.topic.publish(...registrations.map((it) => site.terminated(it)))
  await Promise.all(registrations.map(({ sessionId }) => site.topic.waitForOutcome('two', sessionId)))
  expect(site.rps.at('/two')).toHaveLength(50)
})
