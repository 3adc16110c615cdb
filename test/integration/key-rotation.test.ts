import { generateKeyPairSync, randomUUID } from 'node:crypto'
import { chmod } from 'node:fs/promises'
import type { JSONWebKeySet, JWK } from 'jose'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { verifyLogoutToken } from '../support/logout-token.ts'
import { readMetric } from '../support/relay-metrics.ts'
import type { RelayProcess } from '../support/relay-process.ts'
import { ISSUER, type RelaySite } from '../support/relay-site.ts'
import { privateJwk, replaceFile } from '../support/signing-key-file.ts'
import { openSite } from './open-site.ts'

let site: RelaySite
let relay: RelayProcess
const old = privateJwk('rsa', 'old')

beforeAll(async () => {
  site = await openSite({ env: { SIGNING_KEYS_RELOAD_MS: '100' } })
  await site.writeKeys(old)
  relay = await site.startRelay({ CHECK_INTERVAL_MS: '200' })
})
afterAll(() => site.close())

async function publishedJwks(): Promise<JSONWebKeySet> {
  return (await (await fetch(`${relay.url}/jwks.json`)).json()) as JSONWebKeySet
}

const publishes = (...kids: readonly string[]) =>
  eventually(async () => expect((await publishedJwks()).keys.map(({ kid }) => kid)).toEqual(kids))

/** The `kid` that signs now; the token must verify with what is published now. */
async function signingKid(): Promise<string | undefined> {
  const path = `/${randomUUID()}`
  const registration = site.registration(path)
  await site.registerInRedis(registration)
  await site.topic.publish(site.terminated(registration))
  const { token, header } = await site.rps.waitFor(path)
  await verifyLogoutToken(token, {
    jwks: await publishedJwks(),
    issuer: ISSUER,
    clientId: registration.clientId,
  })
  return header.kid
}

test('a new key is published before it signs, signs from its notBefore on, and replaces the old one', async () => {
  expect(await signingKid()).toBe('old')

  const inAnHour = Math.floor(Date.now() / 1_000) + 3_600
  const future = privateJwk('rsa', 'new', { notBefore: inAnHour })
  await site.writeKeys(old, future)
  await publishes('old', 'new')
  expect(await signingKid()).toBe('old')

  const notBefore = new Date(Date.now() + 1_000).toISOString()
  await site.writeKeys(old, Object.assign(future, { notBefore }))
  await eventually(async () => expect(await signingKid()).toBe('new'))
  expect(Date.now()).toBeGreaterThanOrEqual(Date.parse(notBefore))

  await site.writeKeys(future)
  await publishes('new')
  expect(await signingKid()).toBe('new')
})

test('the published keys are public, and may be cached only shortly', async () => {
  const response = await fetch(`${relay.url}/jwks.json`)
  expect(response.headers.get('content-type')).toBe('application/jwk-set+json')
  expect(response.headers.get('cache-control')).toMatch(/max-age=\d{1,3}$/)
  for (const key of ((await response.json()) as JSONWebKeySet).keys) {
    expect(Object.keys(key).sort()).toEqual(['e', 'kid', 'kty', 'n', 'use'])
  }
})

test.each([
  { name: 'half a file', text: '{"keys":[' },
  { name: 'an empty file', text: '' },
  { name: 'no private key', text: '{"keys":[]}' },
  { name: 'a broken PEM', text: '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n' },
])('a file that turned bad ($name) keeps the old keys and is counted', async ({ text }) => {
  const before = await readMetric(relay, 'faults_total', { part: 'signing-keys' })
  await replaceFile(site.keysFile, text)
  await eventually(async () => {
    expect(await readMetric(relay, 'faults_total', { part: 'signing-keys' })).toBeGreaterThan(before)
  })
  expect(await signingKid()).toBe('new')
})

test('after a bad file a good one is taken up again', async () => {
  await site.writeKeys(privateJwk('rsa', 'newest'))
  await publishes('newest')
  expect(await signingKid()).toBe('newest')
})

/** One of each kind that a provider may keep beside those that sign logout tokens. */
function keysOfOthers(): JWK[] {
  const { privateKey: p384 } = generateKeyPairSync('ec', { namedCurve: 'P-384' })
  const { privateKey: short } = generateKeyPairSync('rsa', { modulusLength: 1_024 })
  return [
    { ...(p384.export({ format: 'jwk' }) as JWK), kid: 'es384', alg: 'ES384' },
    { ...(short.export({ format: 'jwk' }) as JWK), kid: 'short' },
    privateJwk('rsa', 'decrypts', { key_ops: ['decrypt'] }),
    privateJwk('rsa', 'encryption', { use: 'enc' }),
    privateJwk('rsa', 'oaep', { alg: 'RSA-OAEP' }),
    privateJwk('rsa', 'rs512', { alg: 'RS512' }),
    { kty: 'AKP', kid: 'unknown', alg: 'ML-DSA-65' },
  ]
}

test('keys that cannot sign stop neither a rotation nor a start, and each is named once', async () => {
  const others = keysOfOthers()
  await site.writeKeys(...others, privateJwk('rsa', 'beside'))
  await publishes('beside')
  expect(await signingKid()).toBe('beside')
  const named = (of: RelayProcess) =>
    of.log.filter(({ check }) => check === 'keys-left-out').map(({ about }) => about)
  const all = others.map(({ kid }) => `kid ${kid}`)
  await eventually(() => expect(named(relay)).toEqual(all))
  expect(await readMetric(relay, 'check_findings', { check: 'keys-left-out' })).toBe(all.length)

  await relay.stop()
  relay = await site.startRelay({ CHECK_INTERVAL_MS: '200' })
  expect(named(relay)).toEqual(all)
  expect(await signingKid()).toBe('beside')
})

test('a bad file and one that others may write are findings', async () => {
  await replaceFile(site.keysFile, JSON.stringify({ keys: keysOfOthers() }))
  const { text } = await relay.waitForLog(({ check }) => check === 'keys-file')
  expect(text).toMatch(/keeps its previous signing keys.*kid decrypts: its key_ops/)
  expect(await signingKid()).toBe('beside')

  await site.writeKeys(privateJwk('ec', 'other'))
  expect(await relay.waitForLog(({ check }) => check === 'keys-signing')).toMatchObject({
    level: 'warn',
    about: 'RS256',
  })
  await site.writeKeys(privateJwk('rsa', 'open'))
  await chmod(site.keysFile, 0o666)
  await publishes('open')
  const { text: open, level } = await relay.waitForLog(({ check }) => check === 'keys-permissions')
  expect([level, open]).toEqual(['warn', expect.stringContaining('may write the key file (0666)')])
})
