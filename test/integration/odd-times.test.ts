import { afterAll, beforeAll, expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { inputRecord } from '../support/input-record.ts'
import { ISSUER, type RelaySite } from '../support/relay-site.ts'
import { openSite } from './open-site.ts'

let site: RelaySite

beforeAll(async () => {
  site = await openSite({ topic: { partitions: 2 } })
  await site.startRelay()
})
afterAll(() => site.close())

const HOUR_MS = 3_600_000
const now = Date.now()
const oddTimes: Record<string, unknown> = {
  seconds: Math.floor(now / 1_000),
  'seconds with a fraction': now / 1_000,
  'milliseconds with a fraction': now + 0.5,
  microseconds: now * 1_000,
  nanoseconds: now * 1_000_000,
  'two hours ahead': now + 2 * HOUR_MS,
  'two hours ahead, as a date': new Date(now + 2 * HOUR_MS).toISOString(),
  'the year 1': '0001-01-01T00:00:00Z',
  'the year 9999': '9999-12-31T23:59:59Z',
  'a number as text': String(now),
  'minus one': -1,
  zero: 0,
  empty: '',
  null: null,
}

async function isTold(clientId: string, sessionId: string): Promise<void> {
  const { headers } = await site.topic.waitForOutcome(clientId, sessionId)
  expect(headers.ce_type).toBe('backchannel-logout-sent')
  await eventually(async () => expect(await site.redis.exists(site.sessionKey(sessionId))).toBe(0))
}

test.each(Object.entries(oddTimes))(
  'a registration whose time is given in %s is told, from the topic and from Redis',
  async (name, registeredAt) => {
    const path = `/time-${Object.keys(oddTimes).indexOf(name)}`
    const onTopic = site.registration(path, { registeredAt })
    const inRedis = site.registration(`${path}/redis`, { registeredAt })
    const everywhere = site.registration(`${path}/everywhere`, { registeredAt, userId: `user of ${name}` })
    const nested = { ...everywhere, sessionId: `${everywhere.sessionId}-nested`, registeredAt: now }
    await site.registerInRedis(inRedis, everywhere, { meta: { registeredAt }, ...nested } as typeof nested)
    await site.topic.publish(
      site.registered(onTopic),
      site.terminated(onTopic),
      site.terminated(inRedis),
      inputRecord('user-signed-out', { issuer: ISSUER, userId: everywhere.userId }),
    )
    await isTold(onTopic.clientId, onTopic.sessionId)
    await isTold(inRedis.clientId, inRedis.sessionId)
    await isTold(everywhere.clientId, everywhere.sessionId)
    await isTold(nested.clientId, nested.sessionId)
  },
)

test.each([
  ['written at minus one', { timestamp: '-1' }, undefined],
  ['written in seconds', { timestamp: String(Math.floor(now / 1_000)) }, undefined],
  ['that happened in the year 1', {}, '0001-01-01T00:00:00Z'],
  ['that happens in two hours', {}, new Date(now + 2 * HOUR_MS).toISOString()],
  ['whose time is empty', {}, ''],
])('a sign-out everywhere %s ends what is there, and no login after it', async (what, stamp, time) => {
  const userId = `user ${what}`
  const path = `/signed-out-${what.replaceAll(' ', '-')}`
  const before = site.registration(path, { userId, registeredAt: new Date(now - HOUR_MS).toISOString() })
  await site.topic.publish({ ...site.registered(before), ...stamp })
  await eventually(async () => expect(await site.redis.exists(site.sessionKey(before.sessionId))).toBe(1))
  const signOut = inputRecord(
    'user-signed-out',
    { issuer: ISSUER, userId },
    time === undefined ? {} : { time },
  )
  await site.topic.publish({ ...signOut, ...stamp })
  await isTold(before.clientId, before.sessionId)
  // Later than clocks may lie apart; its own record is written now, by a clock that is right.
  const after = site.registration(`${path}/after`, {
    userId,
    registeredAt: new Date(Date.now() + 9_000).toISOString(),
  })
  await site.topic.publish({ ...site.registered(after), timestamp: String(Date.now() + 9_000) })
  await eventually(async () => expect(await site.topic.lag(site.groupId)).toBe(0))
  expect(await site.redis.exists(site.sessionKey(after.sessionId))).toBe(1)
})
