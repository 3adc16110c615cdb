import { randomUUID } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { inputRecord } from '../support/input-record.ts'
import { ISSUER, type RegistrationInput, type RelaySite } from '../support/relay-site.ts'
import { end } from '../support/relying-party-server.ts'
import { openSite } from './open-site.ts'

const MINUTE = 60_000

let site: RelaySite

beforeEach(async () => {
  site = await openSite({ topic: { partitions: 4 } })
})
afterEach(() => site.close())

const iso = (ms: number) => new Date(ms).toISOString()
const signedOut = (data: Record<string, unknown>, options = {}) =>
  inputRecord('user-signed-out', { issuer: ISSUER, ...data }, options)
const everythingIsSettled = () => eventually(async () => expect(await site.topic.lag(site.groupId)).toBe(0))
const nothingIsParked = () => eventually(async () => expect(await site.redisKeys('backlog*')).toEqual([]))
const isStored = ({ sessionId, oidcSessionId }: RegistrationInput) =>
  eventually(async () => expect(await site.redis.hexists(site.sessionKey(sessionId), oidcSessionId)).toBe(1))

test('one session, two triggers, two replicas, an RP that is away once and then slow: one outcome id, one attempt at a time', async () => {
  const COUNT = 60
  const requests = new Map<string, number>()
  let [underWay, mostUnderWay] = [new Map<string, number>(), 0]
  const uri = site.rps.uri('/slow', ({ claims }, response) => {
    const sid = String(claims.sid)
    const count = (requests.get(sid) ?? 0) + 1
    requests.set(sid, count)
    if (count === 1) return end(response, 503)
    underWay.set(sid, (underWay.get(sid) ?? 0) + 1)
    mostUnderWay = Math.max(mostUnderWay, underWay.get(sid) ?? 0)
    setTimeout(() => {
      underWay.set(sid, (underWay.get(sid) ?? 0) - 1)
      end(response, 200)
    }, 1_000)
  })
  const registrations = Array.from({ length: COUNT }, (_, i) =>
    site.registration('/slow', { clientId: `slow-${i}`, backchannelLogoutUri: uri }),
  )
  await site.registerInRedis(...registrations)
  const env = { RETRY_BASE_DELAY_MS: '200', RETRY_MAX_DELAY_MS: '400' }
  await Promise.all([site.startRelay(env), site.startRelay(env)])
  await Promise.all(
    registrations.map(async (it) => {
      await site.topic.publish(site.terminated(it, { id: `first-${it.sessionId}` }))
      // Once it has been parked, so that either replica may be at it.
      await eventually(() => expect(requests.get(it.sessionId)).toBeGreaterThanOrEqual(1), { interval: 10 })
      await new Promise((resolve) => setTimeout(resolve, 250))
      const { sessionId, userId } = it
      await site.topic.publish(signedOut({ sessionId, userId }, { id: `second-${sessionId}` }))
    }),
  )
  for (const it of registrations) await site.topic.waitForOutcome(it.clientId)
  await everythingIsSettled()
  await nothingIsParked()
  await site.topic.caughtUp()
  expect(site.topic.outcomes).toHaveLength(COUNT)
  for (const { data } of site.topic.outcomes)
    expect(data).toMatchObject({ status: 200, attempts: 2, trigger: { id: `first-${data.sessionId}` } })
  expect([...requests.values()]).toEqual(new Array(COUNT).fill(2))
  expect(mostUnderWay).toBe(1)
})

test('a decided outcome counts for its registration alone: the others of the user are told', async () => {
  const userId = randomUUID()
  const common = { userId, clientId: 'sub-only', claims: 'sub' }
  const [decided, open] = [site.registration('/sub', common), site.registration('/sub', common)]
  const pendingOutcome = {
    outcome: { kind: 'sent', jti: 'decided', attempts: 1, status: 204 },
    origin: { id: 'earlier', topic: site.topic.name, partition: 0, offset: 0 },
    occurredAtMs: Date.now(),
  }
  await site.registerInRedis({ ...decided, pendingOutcome }, open)
  await site.startRelay()
  await site.topic.publish(signedOut({ userId }, { id: 'everywhere' }))
  const [first, second] = await Promise.all(
    [decided, open].map(({ sessionId }) => site.topic.waitForOutcome('sub-only', sessionId)),
  )
  expect(first?.data).toMatchObject({ jti: 'decided', status: 204, trigger: { id: 'earlier' } })
  expect(second?.data).toMatchObject({ status: 200, trigger: { id: 'everywhere' } })
  expect(site.rps.at('/sub')).toHaveLength(1)
  expect(site.rps.at('/sub')[0]?.claims.jti).toBe(second?.data.jti)
})

describe('a sign-out everywhere, then a login 10 minutes later under the same session id', () => {
  const [userId, sessionId] = [randomUUID(), randomUUID()]

  test.each(['the login is read last', 'the sign-out comes again'])('is left alone: %s', async (order) => {
    const before = site.registration('/before', {
      userId,
      sessionId,
      registeredAt: iso(Date.now() - 20 * MINUTE),
    })
    const after = site.registration('/after', { userId, sessionId })
    const everywhere = signedOut({ userId }, { time: iso(Date.now() - 10 * MINUTE) })
    await site.topic.publish(site.registered(before))
    await site.startRelay()
    await isStored(before)
    await site.topic.publish(everywhere)
    await site.topic.waitForOutcome(before.clientId)
    await everythingIsSettled()
    await site.topic.publish(site.registered(after))
    await isStored(after)
    if (order === 'the sign-out comes again') await site.topic.publish(everywhere)
    await everythingIsSettled()
    expect(site.rps.at('/after')).toEqual([])
    // It is alive, and told when its own session ends.
    await site.topic.publish(site.terminated(after))
    await site.topic.waitForOutcome(after.clientId)
    expect(site.rps.at('/before')).toHaveLength(1)
  })
})

test.each(['the registration', 'the sign-out'])(
  'a registration dated 3 s after the sign-out is told, also when %s is read first',
  async (first) => {
    const userId = randomUUID()
    const at = Date.now() - MINUTE
    const near = site.registration('/near', { userId, registeredAt: iso(at + 3_000) })
    const far = site.registration('/far', { userId, registeredAt: iso(at + 6_000) })
    const everywhere = signedOut({ userId }, { time: iso(at) })
    await site.startRelay()
    if (first === 'the sign-out') {
      await site.topic.publish(everywhere)
      await eventually(async () => expect(await site.redisKeys('signed-out:*')).toHaveLength(1))
    }
    await site.topic.publish(site.registered(near), site.registered(far))
    await eventually(async () => expect((await site.redisKeys('session:*')).length).toBeGreaterThan(0))
    await everythingIsSettled()
    if (first !== 'the sign-out') await site.topic.publish(everywhere)
    await site.topic.waitForOutcome(near.clientId)
    await everythingIsSettled()
    expect(site.rps.at('/far')).toEqual([])
    await isStored(far)
  },
)

test('login again under the same two ids within the tombstone, dated after the end: told by its own end, and once', async () => {
  const now = Date.now()
  const first = site.registration('/again', { registeredAt: iso(now - 20 * MINUTE) })
  const second = { ...first, registeredAt: iso(now - 5 * MINUTE) }
  const ended = (id: string, ms: number) => signedOut({ userId: first.userId }, { id, time: iso(ms) })
  await site.startRelay()
  await site.topic.publish(site.registered(first))
  await isStored(first)
  await site.topic.publish(ended('first-end', now - 10 * MINUTE))
  await site.topic.waitForOutcome(first.clientId)
  await everythingIsSettled()
  await site.topic.publish(
    site.registered(second),
    site.registered(first),
    ended('first-end', now - 10 * MINUTE),
  )
  await isStored(second)
  await everythingIsSettled()
  expect(site.rps.at('/again')).toHaveLength(1)
  await site.topic.publish(site.terminated(first, { id: 'second-end' }), site.registered(first))
  await site.rps.waitFor('/again', 2)
  await everythingIsSettled()
  await site.topic.publish(site.registered(second), site.terminated(first, { id: 'third-end' }))
  await everythingIsSettled()
  await site.topic.caughtUp()
  expect(site.topic.outcomes.map(({ data }) => (data.trigger as { id: string }).id)).toEqual([
    'first-end',
    'second-end',
  ])
  expect(site.rps.at('/again')).toHaveLength(2)
})

test('a session whose life in Redis ends while the first attempt is under way ends with an outcome', async () => {
  const registration = site.registration('/short-lived')
  let count = 0
  site.rps.uri('/short-lived', (_, response) => {
    if (count++ > 0) return end(response, 200)
    setTimeout(() => end(response, 503), 2_500)
  })
  await site.startRelay()
  await site.registerInRedis(registration)
  await site.redis.pexpire(site.sessionKey(registration.sessionId), 2_000)
  await site.topic.publish(site.terminated(registration))
  const { data } = await site.topic.waitForOutcome(registration.clientId)
  expect(data).toMatchObject({ attempts: 2, status: 200 })
})
