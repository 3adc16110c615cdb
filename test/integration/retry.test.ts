import { afterEach, beforeEach, expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { ISSUER, type RelaySite } from '../support/relay-site.ts'
import { end } from '../support/relying-party-server.ts'
import { openSite } from './open-site.ts'

const LEASE_MS = 1_500
const BASE_DELAY_MS = 2_000

let site: RelaySite

beforeEach(async () => {
  site = await openSite({
    env: { ATTEMPT_TIMEOUT_MS: '1000', RETRY_LEASE_MS: String(LEASE_MS), RETRY_AFTER_MAX_MS: '60000' },
  })
})
afterEach(() => site.close())

const backlogKey = (clientId: string) => `${site.prefix}:backlog:{${ISSUER}|${clientId}}`

async function parkedDueMs(clientId: string): Promise<number> {
  return await eventually(async () => {
    const [, score] = await site.redis.zrange(backlogKey(clientId), '0', '0', 'WITHSCORES')
    expect(score).toBeDefined()
    return Number(score)
  })
}

test('at an RP that wants to be left alone for a minute, a delivery ends at its own deadline', async () => {
  await site.startRelay({ RETRY_DEADLINE_MS: '5000', BREAKER_FAILURES: '1' })
  site.rps.uri('/busy', (_request, response) => end(response, 503, { 'retry-after': '60' }))
  const [first, second] = [site.registration('/busy'), site.registration('/busy')]
  await site.topic.publish(...[first, second].map((it) => site.registered(it)), site.terminated(first))
  await site.rps.waitFor('/busy')
  await site.topic.waitForOutcome(first.clientId, first.sessionId)
  await site.topic.publish(site.terminated(second))
  const { data } = await site.topic.waitForOutcome(second.clientId, second.sessionId)
  expect(data).toMatchObject({ reason: 'expired', attempts: 0 })
  expect(site.rps.at('/busy')).toHaveLength(1)
})

test('a failed attempt is parked with its due time, survives a restart, and leaves nothing behind when sent', async () => {
  const first = await site.startRelay()
  let isDown = true
  const backchannelLogoutUri = site.rps.uri('/parked', (_request, response) =>
    isDown ? end(response, 503, { 'retry-after': String(BASE_DELAY_MS / 1_000) }) : end(response, 200),
  )
  const registration = site.registration('/parked', { backchannelLogoutUri })
  const { clientId, sessionId, oidcSessionId } = registration
  await site.registerInRedis(registration)
  await site.topic.publish(site.terminated(registration))
  const failedAtMs = Date.now() + (await site.rps.waitFor('/parked')).atMs - performance.now()
  const dueMs = await parkedDueMs(clientId)
  expect(dueMs - failedAtMs).toBeGreaterThanOrEqual(BASE_DELAY_MS - 10)
  expect(await site.redis.zrange(`${site.prefix}:backlogs`, '0', '-1')).toEqual([`${ISSUER}|${clientId}`])
  // A reference and a little state, never a token or the claims.
  const [member] = await site.redis.zrange(backlogKey(clientId), '0', '-1')
  expect(member?.split('\n').slice(0, 2)).toEqual([sessionId, oidcSessionId])
  const state = Object.values(
    await site.redis.hgetall(`${site.prefix}:backlog-state:{${ISSUER}|${clientId}}`),
  )
  expect(state).toHaveLength(1)
  for (const text of [member, state[0]]) expect(text).not.toContain('eyJ')
  // What is parked does not hold the partition back.
  await eventually(async () => expect(await site.topic.lag(site.groupId)).toBe(0))
  expect(await first.stop()).toBe(0)
  isDown = false

  await site.startRelay()
  const { data } = await site.topic.waitForOutcome(clientId)
  expect(data).toMatchObject({ status: 200, attempts: 2 })
  const [, second] = site.rps.at('/parked')
  expect(Date.now() + (second?.atMs ?? 0) - performance.now()).toBeGreaterThanOrEqual(dueMs - 10)
  await eventually(async () => expect(await site.redisKeys('backlog*')).toEqual([]))
  expect(await site.redis.exists(site.sessionKey(sessionId))).toBe(0)
})

test('what a killed replica had claimed is taken over by another when its lease ends', async () => {
  const first = await site.startRelay()
  const backchannelLogoutUri = site.rps.uri('/leased', (_request, response) => {
    const attempts = site.rps.at('/leased').length
    if (attempts === 0) end(response, 503)
    // The second attempt hangs, and its replica dies with it.
    else if (attempts > 1) end(response, 200)
  })
  const registration = site.registration('/leased', { backchannelLogoutUri })
  await site.registerInRedis(registration)
  await site.topic.publish(site.terminated(registration))
  await site.rps.waitFor('/leased', 2)
  await eventually(async () => expect(await site.topic.lag(site.groupId)).toBe(0))
  const second = site.startRelay()
  const leaseUntilMs = await parkedDueMs(registration.clientId)
  await first.kill()
  await second
  const { data } = await site.topic.waitForOutcome(registration.clientId)
  expect(data).toMatchObject({ status: 200 })
  const requests = site.rps.at('/leased')
  expect(requests).toHaveLength(3)
  expect(Date.now() + (requests[2]?.atMs ?? 0) - performance.now()).toBeGreaterThanOrEqual(leaseUntilMs - 10)
})

test('two replicas share a backlog without sending anything twice', async () => {
  await Promise.all([site.startRelay(), site.startRelay()])
  let isDown = true
  const backchannelLogoutUri = site.rps.uri('/shared', (_request, response) =>
    end(response, isDown ? 503 : 200),
  )
  const registrations = Array.from({ length: 100 }, () =>
    site.registration('/shared', { clientId: 'shared', backchannelLogoutUri }),
  )
  await site.registerInRedis(...registrations)
  await site.topic.publish(...registrations.map((it) => site.terminated(it)))
  await eventually(async () => expect(await site.redis.zcard(backlogKey('shared'))).toBe(100))
  isDown = false
  await Promise.all(registrations.map(({ sessionId }) => site.topic.waitForOutcome('shared', sessionId)))
  await eventually(async () => expect(await site.redisKeys('backlog*')).toEqual([]))
  const downAtMs = site.rps.at('/shared')
  const jtis = new Set(site.topic.outcomes.map(({ data }) => data.jti))
  const accepted = downAtMs.filter(({ claims }) => jtis.has(claims.jti))
  expect(accepted).toHaveLength(100)
  expect(site.topic.outcomes).toHaveLength(100)
})
