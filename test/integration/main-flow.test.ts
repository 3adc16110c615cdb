import { randomUUID } from 'node:crypto'
import type { JSONWebKeySet } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { inputFormats, inputRecord } from '../support/input-record.ts'
import { verifyLogoutToken } from '../support/logout-token.ts'
import { readMetric } from '../support/relay-metrics.ts'
import type { RelayProcess } from '../support/relay-process.ts'
import { ISSUER, type RelaySite } from '../support/relay-site.ts'
import { openSite } from './open-site.ts'

const TRACEPARENT = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'

let site: RelaySite
let relay: RelayProcess
let jwks: JSONWebKeySet

beforeAll(async () => {
  site = await openSite()
  relay = await site.startRelay()
  jwks = (await (await fetch(`${relay.url}/jwks.json`)).json()) as JSONWebKeySet
})
afterAll(() => site.close())

const nothingLeftToCommit = () => eventually(async () => expect(await site.topic.lag(site.groupId)).toBe(0))

describe.each(inputFormats)('session-terminated as %s', (format) => {
  test('logs every RP out, registered by record or in Redis, and publishes the outcomes', async () => {
    const sessionId = randomUUID()
    const userId = randomUUID()
    const byRecord = site.registration(`/record/${format}`, { sessionId, userId, sub: 'pairwise-1' })
    const inRedis = site.registration(`/redis/${format}?tenant=a%20b`, { sessionId, userId, sid: 'rp-sid' })
    await site.registerInRedis(inRedis)
    await site.topic.publish(site.registered(byRecord, { format }))
    const id = randomUUID()
    await site.topic.publish(
      inputRecord(
        'session-terminated',
        { sessionId, reason: 'logout' },
        { format, id, traceparent: TRACEPARENT, tracestate: 'vendor=1' },
      ),
    )

    for (const registration of [byRecord, inRedis]) {
      const { pathname, search } = new URL(registration.backchannelLogoutUri)
      const outcome = await site.topic.waitForOutcome(registration.clientId, sessionId)
      const [request, ...others] = site.rps.at(pathname)
      expect(others).toEqual([])
      expect(request).toMatchObject({ method: 'POST', url: pathname + search })
      expect(request?.headers).toMatchObject({
        'content-type': 'application/x-www-form-urlencoded',
        'content-length': String(request?.body.length),
        traceparent: TRACEPARENT,
        tracestate: 'vendor=1',
      })
      expect(request?.headers['transfer-encoding']).toBeUndefined()
      const claims = await verifyLogoutToken(request?.token ?? '', {
        jwks,
        issuer: ISSUER,
        clientId: registration.clientId,
      })
      const sub = registration.sub ?? userId
      const sid = registration.sid ?? sessionId
      expect(claims).toMatchObject({ sub, sid, exp: (claims.iat ?? 0) + 120 })

      expect(outcome.headers).toMatchObject({
        ce_specversion: '1.0',
        ce_type: 'backchannel-logout-sent',
        ce_source: ISSUER,
        'content-type': 'application/json',
        traceparent: TRACEPARENT,
        tracestate: 'vendor=1',
      })
      expect(outcome.headers.ce_id).toMatch(/^[\w-]{20,}$/)
      expect(outcome.key).toBe(sessionId)
      const { clientId, oidcSessionId } = registration
      expect(outcome.data).toEqual({
        ...{ issuer: ISSUER, sessionId, oidcSessionId, clientId, sub, sid, jti: claims.jti },
        ...{ attempts: 1, status: 200, origin: new URL(registration.backchannelLogoutUri).origin },
        registeredAt: expect.any(Number),
        occurredAt: expect.any(Number),
        trigger: {
          id,
          topic: site.topic.name,
          partition: expect.any(Number),
          offset: expect.any(Number),
        },
      })
    }
    await eventually(async () => expect(await site.redis.exists(site.sessionKey(sessionId))).toBe(0))
    await nothingLeftToCommit()
  })
})

test('each RP gets the algorithm that it registered', async () => {
  const sessionId = randomUUID()
  const kinds = [
    { alg: 'RS256', kid: 'test-rsa' },
    { alg: 'PS256', kid: 'test-rsa' },
    { alg: 'ES256', kid: 'test-ec' },
    { alg: 'EdDSA', kid: 'test-ed25519' },
    { alg: 'Ed25519', kid: 'test-ed25519' },
  ]
  const registrations = kinds.map(({ alg }) => site.registration(`/alg/${alg}`, { sessionId, alg }))
  await site.registerInRedis(...registrations)
  await site.topic.publish(site.terminated({ sessionId }))
  for (const [i, { alg, kid }] of kinds.entries()) {
    const { clientId } = registrations[i] as { clientId: string }
    const { token, header } = await site.rps.waitFor(`/alg/${alg}`)
    expect(header).toEqual({ alg, kid, typ: 'logout+jwt' })
    await verifyLogoutToken(token, { jwks, issuer: ISSUER, clientId })
  }
})

test('settings of an RP in Redis win over its registration, a wrong field of them is ignored', async () => {
  const registration = site.registration('/settings/registered', { clientId: 'with-settings', alg: 'RS256' })
  await site.redis.hset(`${site.prefix}:client:{${ISSUER}|with-settings}`, {
    backchannelLogoutUri: site.rps.uri('/settings/moved'),
    alg: 'ES256',
    claims: 'sid',
    somebodyElses: 'field',
  })
  await site.registerInRedis(registration)
  await site.topic.publish(site.terminated(registration))
  const { header, claims } = await site.rps.waitFor('/settings/moved')
  expect(header).toMatchObject({ alg: 'ES256', typ: 'logout+jwt' })
  expect(claims).toMatchObject({ sid: registration.sessionId })
  expect(claims).not.toHaveProperty('sub')
  expect(site.rps.at('/settings/registered')).toEqual([])

  const broken = site.registration('/settings/kept', { clientId: 'with-broken-settings', alg: 'ES256' })
  const settings = { alg: 'HS256', backchannelLogoutUri: 'javascript:alert(1)', claims: 'sub' }
  await site.redis.hset(`${site.prefix}:client:{${ISSUER}|with-broken-settings}`, settings)
  await site.registerInRedis(broken)
  await site.topic.publish(site.terminated(broken))
  const kept = await site.rps.waitFor('/settings/kept')
  expect(kept.header).toMatchObject({ alg: 'ES256' })
  expect(kept.claims).not.toHaveProperty('sid')
})

test('a registration that comes after the end of its session is delivered at once', async () => {
  const early = site.registration('/late/early')
  const late = site.registration('/late/late', { sessionId: early.sessionId })
  await site.registerInRedis(early)
  await site.topic.publish(site.terminated(early))
  await site.topic.waitForOutcome(early.clientId)
  await site.topic.publish(site.registered(late))
  const { token } = await site.rps.waitFor('/late/late')
  await verifyLogoutToken(token, { jwks, issuer: ISSUER, clientId: late.clientId })
  const outcome = await site.topic.waitForOutcome(late.clientId)
  expect(outcome.headers.ce_type).toBe('backchannel-logout-sent')
  expect(await readMetric(relay, 'triggers_total', { result: 'late-registration' })).toBe(1)
})

test('records that are repeated send nothing twice', async () => {
  const registration = site.registration('/repeated')
  const records = [site.registered(registration), site.terminated(registration)]
  await site.topic.publish(...records, ...records)
  await site.topic.waitForOutcome(registration.clientId)
  await site.topic.publish(...records, site.terminated(registration))
  await nothingLeftToCommit()
  await site.topic.caughtUp()
  expect(site.rps.at('/repeated')).toHaveLength(1)
  const outcomes = site.topic.outcomes.filter(({ data }) => data.clientId === registration.clientId)
  expect(outcomes).toHaveLength(1)
})

test('a trigger for an issuer that is not served is skipped and counted, and touches nothing', async () => {
  const registration = site.registration('/other-issuer')
  await site.registerInRedis(registration)
  const { sessionId } = registration
  await site.topic.publish(
    inputRecord('session-terminated', { issuer: 'https://other.example', sessionId }),
    inputRecord('backchannel-logout-registered', { ...registration, issuer: `${ISSUER}/` }),
  )
  await eventually(async () => {
    expect(await readMetric(relay, 'triggers_total', { result: 'unknown-issuer' })).toBe(2)
  })
  await nothingLeftToCommit()
  expect(site.rps.at('/other-issuer')).toEqual([])
  expect(await site.redis.hlen(site.sessionKey(sessionId))).toBe(1)
})

test('a group that is rewound to the beginning sends nothing twice', async () => {
  await nothingLeftToCommit()
  expect(await relay.stop()).toBe(0)
  const before = site.rps.requests.items.length
  await site.topic.rewind(site.groupId)
  relay = await site.startRelay()
  await eventually(async () => {
    expect(await readMetric(relay, 'consumer_lag_records')).toBe(0)
    expect(await readMetric(relay, 'triggers_total', { result: 'nothing-owed' })).toBeGreaterThan(0)
  })
  await nothingLeftToCommit()
  expect(site.rps.requests.items).toHaveLength(before)
})
