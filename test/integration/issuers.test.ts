import { randomUUID } from 'node:crypto'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { JSONWebKeySet, JWK } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { inputRecord } from '../support/input-record.ts'
import { verifyLogoutToken } from '../support/logout-token.ts'
import { readiness } from '../support/readiness.ts'
import { relayCommand } from '../support/relay-command.ts'
import { readMetric } from '../support/relay-metrics.ts'
import type { RelayProcess } from '../support/relay-process.ts'
import type { RelaySite } from '../support/relay-site.ts'
import { Examined } from '../support/run-doctor.ts'
import { runRelay } from '../support/run-relay.ts'
import { privateJwk, replaceFile } from '../support/signing-key-file.ts'
import { openSite } from './open-site.ts'

const SHOP = 'https://login.example.test/realms/shop'
const BANK = 'https://login.example.test/realms/bank'
const TENANT = 'https://t-1.login.example.test'
const LATE = 'https://late.login.example.test'

let site: RelaySite
let relay: RelayProcess
let file: string

const keysOf = (...keys: JWK[]) => JSON.stringify({ keys })
const entry = (issuer: string, keys: string, more: object = {}) => ({ issuer, keys: { file: keys }, ...more })
const shop = entry(SHOP, 'keys/shop.json', { aliases: ['realm:shop'] })
const bank = entry(BANK, 'keys/bank.json', { signedOutWithoutSession: 'ignore' })
const tenants = entry('https://{tenant}.login.example.test', 'tenants/{tenant}.json')
const write = (...issuers: object[]) => replaceFile(file, JSON.stringify({ issuers }))

/** The short form is not used here. */
const several = () => ({ ISSUER: '', SIGNING_KEYS_FILE: '', ISSUERS_FILE: file, CHECK_INTERVAL_MS: '200' })

beforeAll(async () => {
  site = await openSite()
  file = join(site.folder, 'issuers.yaml')
  for (const folder of ['keys', 'tenants']) await mkdir(join(site.folder, folder))
  // All by one name, as happens where each tenant counts its own keys.
  for (const name of ['keys/shop', 'keys/bank', 'tenants/t-1'])
    await replaceFile(join(site.folder, `${name}.json`), keysOf(privateJwk('rsa', '1')))
  await write(shop, bank, tenants)
  relay = await site.startRelay(several())
})
afterAll(() => site.close())

async function jwks(issuer: string): Promise<JSONWebKeySet> {
  const uri = `${relay.url}/jwks.json?issuer=${encodeURIComponent(issuer)}`
  return (await (await fetch(uri)).json()) as JSONWebKeySet
}

/** A login and a logout on the topic; `named` is what the records call the issuer. */
async function logout(path = `/${randomUUID()}`, named = SHOP) {
  const registration = site.registration(path, { issuer: named })
  const { clientId } = registration
  await site.topic.publish(
    inputRecord('backchannel-logout-registered', registration),
    inputRecord('session-terminated', { issuer: named, sessionId: registration.sessionId }),
  )
  return { registration, path, clientId }
}

const verified = async (issuer: string, path: string, clientId: string, jwksOf = issuer) =>
  verifyLogoutToken((await site.rps.waitFor(path)).token, { issuer, clientId, jwks: await jwks(jwksOf) })

describe('a relay of many issuers', () => {
  test.each([SHOP, BANK, TENANT])(
    '%s: each signs with its own keys, though their names are the same',
    async (issuer) => {
      const { path, clientId } = await logout(undefined, issuer)
      await verified(issuer, path, clientId)
      for (const other of [SHOP, BANK, TENANT].filter((it) => it !== issuer))
        await expect(verified(issuer, path, clientId, other)).rejects.toThrow()
    },
  )

  test('a record may call an issuer by its alias, and must name one', async () => {
    const { path, clientId } = await logout(undefined, 'realm:shop')
    await verified(SHOP, path, clientId)
    const { data } = await site.topic.waitForOutcome(clientId)
    expect(data).toMatchObject({ issuer: SHOP })
    await site.topic.publish(inputRecord('session-terminated', { sessionId: 'of nobody' }))
    await eventually(async () =>
      expect(await readMetric(relay, 'dead_letters_total', {})).toBeGreaterThanOrEqual(1),
    )
  })

  test('key sets are shown by issuer, and never together', async () => {
    const { issuers } = (await (await fetch(`${relay.url}/jwks.json`)).json()) as {
      issuers: { issuer: string }[]
    }
    expect(issuers.map(({ issuer }) => issuer)).toEqual(expect.arrayContaining([SHOP, BANK]))
    expect((await fetch(`${relay.url}/jwks.json?issuer=https://nobody.test`)).status).toBe(404)
    const sets = await Promise.all([SHOP, BANK, TENANT].map(jwks))
    expect(new Set(sets.map(({ keys }) => keys[0]?.n)).size).toBe(3)
  })

  test('a tenant whose key file is not there yet is a finding; its logouts wait for the file', async () => {
    const { path, clientId } = await logout(undefined, LATE)
    await eventually(async () =>
      expect(await readMetric(relay, 'check_findings', { check: 'keys-file', severity: 'warning' })).toBe(1),
    )
    await replaceFile(join(site.folder, 'tenants', 'late.json'), keysOf(privateJwk('rsa', 'late')))
    await verified(LATE, path, clientId)
  })

  test('a changed file is taken up, a broken one is refused whole; an issuer that is gone keeps what is parked', async () => {
    site.rps.uri('/down', 503)
    const { clientId } = await logout('/down', BANK)
    await eventually(async () =>
      expect(await site.redis.zcard(`${site.prefix}:backlog:{${BANK}|${clientId}}`)).toBe(1),
    )
    await write({ ...shop, surprise: 1 }, { ...bank, aliases: ['realm:shop'] })
    await eventually(async () =>
      expect(await readMetric(relay, 'check_findings', { check: 'issuers-file', severity: 'warning' })).toBe(
        1,
      ),
    )
    const again = await logout()
    await verified(SHOP, again.path, again.clientId)

    await write(shop)
    await eventually(async () =>
      expect((await fetch(`${relay.url}/jwks.json?issuer=${BANK}`)).status).toBe(404),
    )
    const unserved = await logout(undefined, BANK)
    await eventually(async () =>
      expect(
        await readMetric(relay, 'triggers_total', { type: 'session-terminated', result: 'unknown-issuer' }),
      ).toBeGreaterThan(0),
    )
    site.rps.uri('/down', 200)
    expect(await site.redis.zcard(`${site.prefix}:backlog:{${BANK}|${clientId}}`)).toBe(1)
    expect((await readiness(relay.url)).status).toBe(200)

    await write(shop, bank, tenants)
    const { data } = await site.topic.waitForOutcome(clientId)
    expect(data).toMatchObject({ issuer: BANK, status: 200 })
    expect(site.rps.at(unserved.path)).toEqual([])
  })

  test.each([
    ['not enabled', [shop, { ...bank, enabled: false }, tenants]],
    ['no longer in the file', [shop, tenants]],
  ])(
    'Redis is emptied while an issuer is %s: what is parked for it, and its sessions, are there when it is',
    async (name, without) => {
      const [paused, living] = [`/paused/${name.length}`, `/alive/${name.length}`]
      site.rps.uri(paused, 503)
      const { clientId } = await logout(paused, BANK)
      const alive = site.registration(living, { issuer: BANK })
      await site.topic.publish(inputRecord('backchannel-logout-registered', alive))
      await eventually(async () => {
        expect(await site.redis.zcard(`${site.prefix}:backlog:{${BANK}|${clientId}}`)).toBe(1)
        expect(await site.redis.exists(`${site.prefix}:session:{${BANK}|${alive.sessionId}}`)).toBe(1)
      })
      await write(...without)
      // Nothing of it is taken any more.
      await eventually(async () => {
        const unserved = site.registration('/unserved', { issuer: BANK })
        await site.topic.publish(inputRecord('backchannel-logout-registered', unserved))
        await eventually(async () => expect(await site.topic.lag(site.groupId)).toBe(0))
        expect(await site.redis.exists(`${site.prefix}:session:{${BANK}|${unserved.sessionId}}`)).toBe(0)
      })
      await site.redis.del(await site.redisKeys())
      await eventually(async () => {
        expect(await site.redis.zcard(`${site.prefix}:backlog:{${BANK}|${clientId}}`)).toBe(1)
        expect(await site.redis.exists(`${site.prefix}:session:{${BANK}|${alive.sessionId}}`)).toBe(1)
      })
      site.rps.uri(paused, 200)
      await write(shop, bank, tenants)
      expect((await site.topic.waitForOutcome(clientId)).data).toMatchObject({ issuer: BANK, status: 200 })
      await site.topic.publish(
        inputRecord('session-terminated', { issuer: BANK, sessionId: alive.sessionId }),
      )
      await site.rps.waitFor(living)
    },
  )

  test('an issuer lays down type, claims and retries of clients that say nothing', async () => {
    const id = 'https://login.example.test/realms/retail'
    await replaceFile(join(site.folder, 'keys/retail.json'), keysOf(privateJwk('rsa', '1')))
    const retry = { maxAttempts: 2, baseDelay: '1ms', maxDelay: '1ms', doubtfulDelays: [] }
    const retail = entry(id, 'keys/retail.json', { typ: 'JWT', claims: 'sid', retry })
    await write(shop, bank, tenants, retail)
    await eventually(async () => expect((await jwks(id)).keys).toHaveLength(1))
    const { path, clientId } = await logout(undefined, id)
    const { token } = await site.rps.waitFor(path)
    const claims = await verifyLogoutToken(token, { issuer: id, clientId, jwks: await jwks(id), typ: 'JWT' })
    expect([claims.sub, claims.sid]).toEqual([undefined, expect.any(String)])

    const uris = { '/doubted': 400, '/unwell': 503 }
    const ended = await Promise.all(
      Object.entries(uris).map(async ([path, status]) => {
        site.rps.uri(path, status)
        const { clientId } = await logout(path, id)
        return (await site.topic.waitForOutcome(clientId)).data
      }),
    )
    expect(ended).toMatchObject([
      { reason: 'rejected', attempts: 1 },
      { reason: 'exhausted', attempts: 2 },
    ])
    await write(shop, bank, tenants)
  })

  test('doctor examines the tenants that have a key file, and names the line of one that cannot be used', async () => {
    await replaceFile(join(site.folder, 'tenants', 'unusable.json'), '{"keys":[]}')
    const { all } = await Examined.by({ ...site.commandEnvironment(), ...several() })
    const files = all.filter(({ check }) => check === 'keys-file')
    const of = (about: string) => files.find((it) => it.about === about)
    expect(files.filter(({ severity }) => severity === 'ok')).toMatchObject([
      { issuers: expect.arrayContaining([SHOP, BANK, TENANT]) },
    ])
    expect(of('https://unusable.login.example.test')).toMatchObject({
      severity: 'error',
      text: expect.stringMatching(/issuers\.yaml:1: .*unusable\.json: /),
    })
    await rm(join(site.folder, 'tenants', 'unusable.json'))
  })

  test('send says that nobody acts for an issuer that is not listed, and sends nothing', async () => {
    const env = { ...site.commandEnvironment(), ...several() }
    const unlisted = ['--issuer', 'https://nobody.example.test']
    const args = ['send', 'session-terminated', '--session', 'of-nobody', '--json']
    expect(await relayCommand([...args, ...unlisted], env)).toMatchObject({
      status: 1,
      stdout: '',
      stderr: expect.stringContaining('https://nobody.example.test'),
    })
    expect(await relayCommand([...args, '--issuer', TENANT], env)).toMatchObject({ status: 0 })
  })

  test('commands ask which issuer, and take an alias', async () => {
    const { registration } = await logout('/commanded')
    const env = { ...site.commandEnvironment(), ...several() }
    const trace = ['trace', registration.sessionId, '--json']
    expect(await relayCommand(trace, env)).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('--issuer'),
    })
    await site.topic.waitForOutcome(registration.clientId)
    expect(await relayCommand([...trace, '--issuer', 'realm:shop'], env)).toMatchObject({ status: 0 })
  })

  test('the keys of one may be the files of a directory', async () => {
    const id = 'https://login.example.test/realms/many-keys'
    const directory = join(site.folder, 'many-keys')
    await mkdir(directory)
    await replaceFile(join(directory, 'a.json'), keysOf(privateJwk('ec', 'not for RS256')))
    await replaceFile(join(directory, 'b.json'), keysOf(privateJwk('rsa', 'of b')))
    await write(shop, bank, tenants, { issuer: id, keys: { directory: 'many-keys' }, alg: 'RS256' })
    await eventually(async () => expect((await jwks(id)).keys).toHaveLength(2))
    const { path, clientId } = await logout(undefined, id)
    await verified(id, path, clientId)
    await replaceFile(join(directory, 'c.json'), keysOf(privateJwk('ed25519', 'of c')))
    await eventually(async () => expect((await jwks(id)).keys).toHaveLength(3))

    const env = { ...site.commandEnvironment(), ...several() }
    const listed = await relayCommand(['keys', 'list', '--issuer', id], env)
    for (const kid of ['not for RS256', 'of b', 'of c']) expect(listed.stdout).toContain(kid)
    // Which of the files would get the new key?
    expect(await relayCommand(['keys', 'rotate', '--in', '1h', '--issuer', id], env)).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('--file'),
    })
    await write(shop, bank, tenants)
  })

  test('a broken file stops the start, and is refused by a relay that runs, with every problem and its line', async () => {
    await mkdir(join(site.folder, 'ec-only'))
    await replaceFile(join(site.folder, 'ec-only', 'a.json'), keysOf(privateJwk('ec', '1')))
    const text = `issuers:
  - issuer: ${SHOP}
    keys: { file: ../outside.json }
  - issuer: ${SHOP}
    keys: { file: keys/shop.json }
    surprise: 1
  - issuer: https://login.example.test/realms/ec
    keys: { directory: ec-only }
    alg: RS256
  - issuer: https://{tenant}.nowhere.test
    keys: { file: "nobody/{tenant}.json" }
  - issuer: https://login.example.test/realms/lost
    aliases: [realm:lost]
    keys: { file: keys/nowhere.json }
  - issuer: https://login.example.test/realms/found
    aliases: [realm:lost]
    keys: { file: keys/found.json }
`
    // Of the last two the alias is all that can be said: whose keys would be looked at?
    const lines = [3, 4, 6, 8, 11, 16]
    const broken = join(site.folder, 'broken.yaml')
    await replaceFile(broken, text)
    const { status, output } = await runRelay({
      ...site.commandEnvironment(),
      ...several(),
      ISSUERS_FILE: broken,
    })
    expect(status).toBe(2)
    for (const line of lines) expect(output).toMatch(new RegExp(`broken\\.yaml:${line}: `))

    await replaceFile(file, text)
    const refused = await relay.waitForLog((line) => JSON.stringify(line).includes('nobody/{tenant}.json'))
    for (const line of lines) expect(JSON.stringify(refused)).toContain(`issuers.yaml:${line}: `)
    const { path, clientId } = await logout()
    await verified(SHOP, path, clientId)
    await write(shop, bank, tenants)

    await replaceFile(broken, `issuers:\n\n  - issuer: ${SHOP}\n    keys: { file: keys/nowhere.json }\n`)
    const unsigned = await runRelay({ ...site.commandEnvironment(), ...several(), ISSUERS_FILE: broken })
    expect(unsigned.status).toBe(2)
    expect(unsigned.output).toMatch(/broken\.yaml:4: .*ENOENT/)
  })
})
