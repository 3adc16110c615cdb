import { generateKeyPairSync } from 'node:crypto'
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { JWK } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { inputRecord } from '../support/input-record.ts'
import { IssuerServer } from '../support/issuer-server.ts'
import { type FinishedCommand, relayCommand } from '../support/relay-command.ts'
import type { RelaySite } from '../support/relay-site.ts'
import { replaceFile } from '../support/signing-key-file.ts'
import { openSite } from './open-site.ts'

let site: RelaySite
let issuer: IssuerServer
beforeAll(async () => {
  site = await openSite()
  issuer = await IssuerServer.listen()
})
afterAll(async () => {
  await site.close()
  await issuer[Symbol.asyncDispose]()
})

const inFolder = (name: string) => join(site.folder, name)
/** Without an environment: keys are made and changed wherever an operator is. */
const keys = (args: readonly string[], env: Record<string, string> = {}, input = '') =>
  relayCommand(['keys', ...args], env, { input })
const environment = (file: string) => site.commandEnvironment({ ISSUER: issuer.url, SIGNING_KEYS_FILE: file })

/** What must stand in the file alone. */
async function privateParts(file: string): Promise<string[]> {
  const { keys: jwks } = JSON.parse(await readFile(file, 'utf8')) as { keys: JWK[] }
  return jwks.flatMap(({ d, p, q, dp, dq, qi }) => [d, p, q, dp, dq, qi]).filter((it) => it !== undefined)
}

async function expectNoneIn(file: string, ...said: readonly (string | FinishedCommand)[]): Promise<void> {
  const text = JSON.stringify(said)
  for (const part of await privateParts(file)) expect(text).not.toContain(part)
}

test('a key is made, published, and replaced while a relay runs; nothing of it is ever shown', async () => {
  const file = inFolder('made.json')
  const made = await keys(['new', '--alg', 'RS256', '--out', file])
  expect(made.status, made.stderr).toBe(0)
  const [first] = made.rows as [JWK]
  expect((await stat(file)).mode & 0o777).toBe(0o600)

  const env = environment(file)
  const listed = async () => (await keys(['list', '--json'], env)).rows
  const one = { issuer: issuer.url, kid: first.kid, algorithms: ['RS256'], signs: 'now' }
  expect(await listed()).toMatchObject([{ ...one, published: 'no' }])
  issuer.keys = [first]
  expect(await listed()).toMatchObject([{ ...one, published: 'yes' }])

  const relay = await site.startRelay({ ...env, PORT: '0' })
  const { signs } = await relay.waitForLog(({ msg }) => msg === 'signing keys')
  expect(signs).toContain(`${first.kid} (RSA, 2048 bits) signs RS256`)

  const rotated = await keys(['rotate', '--in', '4s', '--retire-after', '1h'], env)
  expect(rotated.status, rotated.stderr).toBe(0)
  const [second] = rotated.rows as [JWK]
  const both = await listed()
  expect(both).toMatchObject([
    { kid: first.kid, published: 'yes' },
    { kid: second.kid, published: 'no' },
  ])
  issuer.keys = [first, second]
  const signingKid = async (path: string) => {
    const registration = site.registration(path, { issuer: issuer.url })
    await site.topic.publish(
      inputRecord('backchannel-logout-registered', registration),
      inputRecord('session-terminated', { issuer: issuer.url, sessionId: registration.sessionId }),
    )
    return (await site.rps.waitFor(path)).header.kid
  }
  let looks = 0
  await eventually(async () => expect(await signingKid(`/rotated-${looks++}`)).toBe(second.kid))
  await expectNoneIn(file, made, rotated, JSON.stringify(both), JSON.stringify(relay.log))
  await relay.stop()
})

describe('keys of several issuers', () => {
  test('are listed and replaced by the name of theirs', async () => {
    await mkdir(inFolder('keys'))
    const [a, b] = [inFolder('keys/a.json'), inFolder('keys/b.json')]
    for (const file of [a, b]) await keys(['new', '--alg', 'EdDSA', '--out', file])
    const entry = (name: string) => ({
      issuer: `https://${name}.example`,
      aliases: [`realm:${name}`],
      keys: { file: `keys/${name}.json` },
    })
    await replaceFile(inFolder('issuers.yaml'), JSON.stringify({ issuers: ['a', 'b'].map(entry) }))
    const several = { ISSUERS_FILE: inFolder('issuers.yaml') }
    const before = await readFile(a, 'utf8')
    const refused = await Promise.all([
      keys(['list'], several),
      keys(['list', '--issuer', 'https://c.example'], several),
    ])
    for (const { status, stderr } of refused) {
      expect(status).toBe(2)
      expect(stderr).toContain('--issuer')
    }
    const { status } = await keys(['rotate', '--in', '1d', '--issuer', 'realm:b'], several)
    expect(status).toBe(0)
    expect(await readFile(a, 'utf8')).toBe(before)
    expect(JSON.parse(await readFile(b, 'utf8'))).toMatchObject({
      keys: [{ alg: 'EdDSA' }, { alg: 'EdDSA', notBefore: expect.any(Number) }],
    })
  })
})

describe('a private key in PEM', () => {
  const pem = (type: 'rsa' | 'ed25519') =>
    generateKeyPairSync(type as 'rsa', { modulusLength: 2_048 }).privateKey.export({
      type: 'pkcs8',
      format: 'pem',
    }) as string

  test('becomes a key under the kid that its issuer gives it, by file or by standard input', async () => {
    const text = pem('rsa')
    await writeFile(inFolder('realm.pem'), text)
    const named = ['--kid', 'of-keycloak', '--alg', 'RS256']
    const byFile = inFolder('by-file.json')
    const made = await keys(['from-pem', inFolder('realm.pem'), ...named, '--out', byFile])
    const shown = await keys(['from-pem', '-', ...named, '--out', '-'], {}, text)
    expect(made.rows).toMatchObject([{ kid: 'of-keycloak', alg: 'RS256', use: 'sig' }])
    expect((await stat(byFile)).mode & 0o777).toBe(0o600)
    expect(shown.stdout).toBe(await readFile(byFile, 'utf8'))
    await expectNoneIn(byFile, made, shown.stderr)
    const [status] = [(await keys(['from-pem', inFolder('realm.pem'), '--out', byFile])).status]
    expect(status).toBe(2)
  })

  test('is listed with what signs and why; it cannot be rotated, and the remedy is named', async () => {
    const file = inFolder('several.pem')
    await writeFile(file, pem('rsa') + pem('rsa'))
    const { rows } = await keys(['list', '--json', '--file', file])
    expect(rows).toMatchObject([
      { signs: 'now', reason: expect.stringContaining('the first in the file') },
      { signs: 'never', reason: expect.stringContaining(String(rows[0]?.kid)) },
    ])
    const { status, stderr } = await keys(['rotate', '--in', '1h', '--file', file])
    expect([status, stderr]).toEqual([2, expect.stringContaining('keys from-pem')])
  })
})

test('keys that do not sign what the clients of their issuer get are no success', async () => {
  const file = inFolder('other-alg.json')
  await keys(['new', '--alg', 'ES256', '--out', file])
  const issuers = inFolder('other-alg.yaml')
  const listed = (alg: string) =>
    writeFile(
      issuers,
      `issuers: [{ issuer: "${issuer.url}", alg: ${alg}, keys: { file: other-alg.json } }]\n`,
    ).then(() => keys(['list'], { ISSUERS_FILE: issuers }))
  const right = await listed('ES256')
  expect(right.status, right.stderr).toBe(0)
  const wrong = await listed('RS256')
  expect(wrong.status).toBe(1)
  expect(wrong.stderr).toContain('RS256')
})
