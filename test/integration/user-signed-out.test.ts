import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { inputFormats, inputRecord } from '../support/input-record.ts'
import { readMetric } from '../support/relay-metrics.ts'
import type { RelayProcess } from '../support/relay-process.ts'
import { ISSUER, type RelaySite } from '../support/relay-site.ts'
import { openSite } from './open-site.ts'

let site: RelaySite
let relay: RelayProcess

beforeAll(async () => {
  site = await openSite()
  relay = await site.startRelay()
})
afterAll(() => site.close())

const signedOut = (data: Record<string, unknown>, options = {}) =>
  inputRecord('user-signed-out', { issuer: ISSUER, ...data }, options)

const everythingIsSettled = () => eventually(async () => expect(await site.topic.lag(site.groupId)).toBe(0))

test('with a session it ends that session and no other of the user', async () => {
  const userId = randomUUID()
  const ended = site.registration('/one/ended', { userId })
  const kept = site.registration('/one/kept', { userId })
  await site.registerInRedis(ended, kept)
  await site.topic.publish(signedOut({ userId, sessionId: ended.sessionId }))
  const { claims } = await site.rps.waitFor('/one/ended')
  expect(claims).toMatchObject({ sub: userId, sid: ended.sessionId })
  await everythingIsSettled()
  expect(site.rps.at('/one/kept')).toEqual([])
  expect(await site.redis.hlen(site.sessionKey(kept.sessionId))).toBe(1)
})

test.each(inputFormats)('without a session it ends every session of the user (%s)', async (format) => {
  const userId = randomUUID()
  const path = `/all/${format}`
  const registrations = [1, 2, 3].map(() => site.registration(path, { userId }))
  const [first, ...others] = registrations as [(typeof registrations)[0], ...typeof registrations]
  await site.registerInRedis(...others)
  await site.topic.publish(site.registered(first, { format }))
  await eventually(async () => expect(await site.redis.exists(site.sessionKey(first.sessionId))).toBe(1))
  await site.topic.publish(signedOut({ userId }, { format }))
  await Promise.all(registrations.map((it) => site.topic.waitForOutcome(it.clientId, it.sessionId)))
  const claims = site.rps.at(path).map(({ claims }) => claims)
  expect(claims.map(({ sid }) => sid).sort()).toEqual(registrations.map(({ sessionId }) => sessionId).sort())
  expect(new Set(claims.map(({ sub }) => sub))).toEqual(new Set([userId]))
  await everythingIsSettled()
  for (const { sessionId } of registrations)
    expect(await site.redis.exists(site.sessionKey(sessionId))).toBe(0)
})

test('an RP that wants sub alone gets one token for all registrations of the user, and an outcome for each', async () => {
  const userId = randomUUID()
  const common = { userId, clientId: 'sub-only', claims: 'sub' }
  const registrations = [1, 2, 3].map(() => site.registration('/sub-only', common))
  await site.registerInRedis(...registrations)
  await site.topic.publish(signedOut({ userId }))
  const outcomes = await Promise.all(
    registrations.map(({ sessionId }) => site.topic.waitForOutcome('sub-only', sessionId)),
  )
  await everythingIsSettled()
  const [request, ...further] = site.rps.at('/sub-only')
  expect(further).toEqual([])
  expect(request?.claims).toMatchObject({ sub: userId })
  expect(request?.claims).not.toHaveProperty('sid')
  expect(new Set(outcomes.map(({ data }) => data.jti))).toEqual(new Set([request?.claims.jti]))
  expect(new Set(outcomes.map(({ headers }) => headers.ce_id)).size).toBe(3)
  for (const { sessionId } of registrations) {
    expect(await site.redis.exists(site.sessionKey(sessionId))).toBe(0)
  }
})

test('an RP that demands sid never gets sub alone', async () => {
  const userId = randomUUID()
  const registration = site.registration('/demands-sid', { userId, claims: 'sub', sessionRequired: true })
  await site.registerInRedis(registration)
  await site.topic.publish(signedOut({ userId }))
  const { claims } = await site.rps.waitFor('/demands-sid')
  expect(claims).toMatchObject({ sub: userId, sid: registration.sessionId })
})

test('an hour after the sign-out sub is not sent alone any more: the user may have signed in again', async () => {
  const userId = randomUUID()
  const registeredAt = new Date(Date.now() - 3 * 3_600_000).toISOString()
  const registration = site.registration('/late-sub', { userId, claims: 'sub', registeredAt })
  await site.registerInRedis(registration)
  const time = new Date(Date.now() - 2 * 3_600_000).toISOString()
  await site.topic.publish(signedOut({ userId }, { time }))
  const { claims } = await site.rps.waitFor('/late-sub')
  expect(claims).toMatchObject({ sub: userId, sid: registration.sessionId })
})

test('a login after the sign-out survives when the sign-out is read late', async () => {
  const userId = randomUUID()
  const before = site.registration('/again/before', { userId, registeredAt: '2026-01-01T10:00:00Z' })
  const after = site.registration('/again/after', { userId, registeredAt: '2026-01-01T12:00:00Z' })
  await site.registerInRedis(before, after)
  await site.topic.publish(signedOut({ userId }, { time: '2026-01-01T11:00:00Z' }))
  await site.rps.waitFor('/again/before')
  await everythingIsSettled()
  expect(site.rps.at('/again/after')).toEqual([])
  expect(await site.redis.hlen(site.sessionKey(after.sessionId))).toBe(1)
})

test('without a session it does nothing where that is configured', async () => {
  await relay.stop()
  relay = await site.startRelay({ USER_SIGNED_OUT_WITHOUT_SESSION: 'ignore' })
  const registration = site.registration('/ignored')
  await site.registerInRedis(registration)
  await site.topic.publish(signedOut({ userId: registration.userId }))
  await eventually(async () => {
    expect(await readMetric(relay, 'triggers_total', { result: 'ignored' })).toBe(1)
  })
  await everythingIsSettled()
  expect(site.rps.at('/ignored')).toEqual([])
})
