import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { inputRecord } from '../support/input-record.ts'
import { relayCommand } from '../support/relay-command.ts'
import { readMetric } from '../support/relay-metrics.ts'
import type { RelayProcess } from '../support/relay-process.ts'
import { ISSUER, type RegistrationInput, type RelaySite } from '../support/relay-site.ts'
import { RelyingPartyServer } from '../support/relying-party-server.ts'
import { openSite } from './open-site.ts'

/** What whoever may write to the topic or to Redis can ask for. */
let site: RelaySite
let relay: RelayProcess
let elsewhere: RelyingPartyServer

const settings = {
  CHECK_INTERVAL_MS: '200',
  TOKEN_TYPE_JWT_CLIENTS: 'old-shop',
  CLIENT_HOSTS: 'kept=127.0.0.1,strict=rp.example',
  // Nothing is left waiting for the time at which what was refused is tried again.
  RETRY_DEADLINE_MS: '2000',
}

beforeAll(async () => {
  ;[site, elsewhere] = await Promise.all([openSite(), RelyingPartyServer.listen()])
  relay = await site.startRelay(settings)
})
afterAll(async () => {
  await site.close()
  await elsewhere.close()
})

const clientKey = (clientId: string) => `${site.prefix}:client:{${ISSUER}|${clientId}}`
const findingOf = (check: string, about: string) =>
  relay.waitForLog((line) => line.check === check && line.about === about)

async function tokenOf(path: string, registration: RegistrationInput) {
  await site.topic.publish(site.registered(registration), site.terminated(registration))
  return site.rps.waitFor(path)
}

test.each(['at+jwt', 'JWT', 'application/at+jwt', '', { a: 1 }])(
  'a registration that asks for the type %j: its RP is told by a logout token',
  async (typ) => {
    const path = `/typ/${randomUUID()}`
    const { header, claims } = await tokenOf(
      path,
      site.registration(path, { typ, nonce: 'n', scope: 'admin' }),
    )
    expect(header.typ).toBe('logout+jwt')
    expect(Object.keys(claims).sort()).toEqual(['aud', 'events', 'exp', 'iat', 'iss', 'jti', 'sid', 'sub'])
  },
)

test('so do settings in Redis, and a failed outcome that was forged and is replayed; both are told of', async () => {
  await site.redis.hset(clientKey('api'), { typ: 'at+jwt' })
  const { header } = await tokenOf('/api', site.registration('/api', { clientId: 'api' }))
  expect(header.typ).toBe('logout+jwt')
  const { text, level } = await findingOf('client-token-type', 'api')
  expect([level, text]).toEqual(['warn', expect.stringContaining('signs logout+jwt')])
  expect(JSON.stringify(relay.log)).not.toContain('at+jwt')
  expect(await readMetric(relay, 'check_findings', { check: 'client-token-type' })).toBeGreaterThan(0)

  const forged = site.registration('/forged', { clientId: 'forged', typ: 'at+jwt', sub: 'admin' })
  // A trigger that the log does not hold would give it away.
  const { trigger } = (await site.topic.waitForOutcome('api')).data
  const data = { ...forged, issuer: ISSUER, reason: 'rejected', attempts: 1, trigger }
  await site.topic.publish(inputRecord('backchannel-logout-failed', data))
  await relayCommand(['replay', '--failed', '--from', '1h', '--client', 'forged'], site.commandEnvironment())
  expect((await site.rps.waitFor('/forged')).header.typ).toBe('logout+jwt')
  expect((await findingOf('client-token-type', 'forged')).level).toBe('warn')
})

test('only for a client that the operator lists the type is JWT', async () => {
  const { header, claims } = await tokenOf(
    '/old',
    site.registration('/old', { clientId: 'old-shop', typ: 'at+jwt' }),
  )
  expect(header.typ).toBe('JWT')
  expect(claims.events).toBeDefined()
})

test('settings in Redis that send the tokens elsewhere: log, outcome and a finding name the origin', async () => {
  const registration = site.registration('/moved', { clientId: 'moved' })
  const uri = elsewhere.uri('/taken?secret=1')
  await site.redis.hset(clientKey('moved'), { backchannelLogoutUri: uri })
  await site.topic.publish(site.registered(registration), site.terminated(registration))
  await elsewhere.waitFor('/taken')
  const { origin } = new URL(uri)
  const { data } = await site.topic.waitForOutcome('moved')
  expect(data.origin).toBe(origin)
  expect(await relay.waitForLog(({ msg, client }) => msg === 'attempt' && client === 'moved')).toMatchObject({
    origin,
  })
  const { text } = await findingOf('client-origin', 'moved')
  expect(text).toContain(
    `to ${origin}, but its registrations name ${new URL(registration.backchannelLogoutUri).origin}`,
  )
  expect(JSON.stringify([data, relay.log])).not.toContain('secret')
})

test('a registration elsewhere than those before is a finding', async () => {
  await tokenOf('/wanders', site.registration('/wanders', { clientId: 'wanders' }))
  const uri = elsewhere.uri('/wanders')
  await site.topic.waitForOutcome('wanders')
  const next = site.registration('/', { clientId: 'wanders', backchannelLogoutUri: uri })
  await site.topic.publish(site.registered(next), site.terminated(next))
  await elsewhere.waitFor('/wanders')
  expect((await findingOf('client-origin', 'wanders')).text).toContain(`now go to ${new URL(uri).origin}`)
})

test('hosts that the operator allows: settings elsewhere count for nothing, registrations elsewhere are blocked', async () => {
  await site.redis.hset(clientKey('kept'), { backchannelLogoutUri: 'https://evil.example/l' })
  const { header } = await tokenOf('/kept', site.registration('/kept', { clientId: 'kept' }))
  expect(header.typ).toBe('logout+jwt')
  expect((await findingOf('client-origin', 'kept')).text).toContain(
    'CLIENT_HOSTS does not allow logouts of kept to https://evil.example',
  )

  const strict = site.registration('/strict', { clientId: 'strict' })
  await site.topic.publish(site.registered(strict), site.terminated(strict))
  const { data } = await site.topic.waitForOutcome('strict')
  expect(data).toMatchObject({ lastError: expect.stringContaining('CLIENT_HOSTS') })
  expect(site.rps.at('/strict')).toEqual([])
})
