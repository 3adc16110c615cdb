import { createHmac, generateKeyPairSync, sign } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { type IntakeSource, readIntakeFile } from '../../../src/config/intake-file.ts'
import { verifyBody, verifyHead } from '../../../src/webhooks/verify.ts'
import {
  digest,
  jwt,
  nowSeconds,
  platformOf,
  SECRET,
  webhookPlatforms,
} from '../../support/webhook-platforms.ts'

const folder = mkdtempSync(join(tmpdir(), 'verify-'))
afterAll(() => rmSync(folder, { recursive: true }))

/** Read from a file, as an operator writes it. */
function sourceOf(lines: string, credentials: string): IntakeSource {
  writeFileSync(join(folder, 'credentials'), credentials)
  const file = join(folder, 'intake.yaml')
  writeFileSync(file, `sources:\n  - name: it\n    topic: t\n    ${lines.replaceAll('\n', '\n    ')}\n`)
  return readIntakeFile(file, { names: ['t'], patterns: [], excluded: [] }).sources[0] as IntakeSource
}

const formOf = (form: string, more = '') => {
  const { key, text } = webhookPlatforms[form]?.credentials ?? { key: 'secretFile', text: '' }
  return sourceOf(`platform: ${platformOf(form)}\n${key}: credentials${more}`, text)
}

async function verified(
  source: IntakeSource,
  headers: Record<string, string | string[]>,
  body: string,
  nowMs = Date.now(),
) {
  const found = Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name.toLowerCase(), [value].flat()]),
  )
  return verifyHead(source, found) ?? (await verifyBody(source, found, Buffer.from(body), nowMs))
}

describe.each(Object.entries(webhookPlatforms))('%s', (form, { body, headers }) => {
  const source = formOf(form)
  const text = body('sessiön-1', 'user-1')
  const isBound = source.verification.kind !== 'bearer'

  test('what it signs is believed', async () => {
    expect(await verified(source, headers(text), text)).toBeUndefined()
  })

  test('another body, another signature, half of one and none are not', async () => {
    const right = headers(text)
    const [[name = '', value = ''] = []] = Object.entries(right)
    expect(await verified(source, {}, text)).toBe('no-signature')
    expect(await verified(source, { [name]: '' }, text)).toBe('no-signature')
    const changed = value.startsWith('0') ? '1' : '0'
    for (const wrong of [`${value}0000`, value.slice(0, -2), 'x', value.replace(/^./, changed)])
      expect(await verified(source, { [name]: wrong }, text), wrong).toBe('wrong-signature')
    if (isBound)
      expect(await verified(source, right, text.replace('user-1', 'user-2'))).toBe('wrong-signature')
  })
})

test('while a secret is replaced the old one and the new one both count', async () => {
  const source = sourceOf('platform: keycloak\nsecretFile: credentials', `the new one\n${SECRET}\n`)
  for (const secret of [SECRET, 'the new one']) {
    const signature = createHmac('sha256', secret).update('{}').digest('hex')
    expect(await verified(source, { 'X-Keycloak-Signature': signature }, '{}')).toBeUndefined()
  }
})

test('a verification of its own: another digest in base64, behind a prefix', async () => {
  const source = sourceOf(
    'verify: { kind: hmac, header: X-Signature, algorithm: sha512, encoding: base64, prefix: "v0:" }\nsecretFile: credentials',
    SECRET,
  )
  const signature = createHmac('sha512', SECRET).update('{}').digest('base64')
  expect(await verified(source, { 'X-Signature': `v0:${signature}` }, '{}')).toBeUndefined()
  expect(await verified(source, { 'X-Signature': `v0:${signature.toLowerCase()}` }, '{}')).toBe(
    'wrong-signature',
  )
})

test('a header that is given twice is believed where both say the same, and not where one may have been put before the other', async () => {
  const source = sourceOf('platform: keycloak\nsecretFile: credentials', SECRET)
  const signature = createHmac('sha256', SECRET).update('{}').digest('hex')
  const twice = (...values: string[]) => verified(source, { 'X-Keycloak-Signature': values }, '{}')
  expect(await twice(signature, signature)).toBeUndefined()
  expect(await twice('', signature)).toBeUndefined()
  expect(await twice(signature, 'x')).toBe('wrong-signature')
  expect(await twice('x', signature)).toBe('wrong-signature')
  const bearer = sourceOf('platform: ory\nsecretFile: credentials', SECRET)
  expect(await verified(bearer, { Authorization: [SECRET, 'x'] }, '{}')).toBe('wrong-signature')
})

test('an own header takes the place of the one of the platform', async () => {
  const source = sourceOf('platform: ory\nsecretFile: credentials\nheader: X-Api-Key', SECRET)
  expect(await verified(source, { 'X-Api-Key': SECRET }, '{}')).toBeUndefined()
  expect(await verified(source, { Authorization: SECRET }, '{}')).toBe('no-signature')
})

describe('a signature with a time', () => {
  const source = formOf('zitadel')
  const nowMs = 1_800_000_000_000
  const signed = (seconds: number, ...secrets: string[]) => {
    const parts = secrets.map((it) => createHmac('sha256', it).update(`${seconds}.{}`).digest('hex'))
    return { 'ZITADEL-Signature': [`t=${seconds}`, ...parts.map((it) => `v1=${it}`)].join(',') }
  }

  test.each([
    [-300, undefined],
    [-301, 'stale'],
    [300, undefined],
    [301, 'stale'],
  ])('%s seconds from now', async (seconds, becomes) => {
    expect(await verified(source, signed(1_800_000_000 + seconds, SECRET), '{}', nowMs)).toBe(becomes)
  })

  test('one of several signatures is enough; a time that was not signed is none', async () => {
    expect(await verified(source, signed(1_800_000_000, 'another', SECRET), '{}', nowMs)).toBeUndefined()
    const moved = signed(1_700_000_000, SECRET)['ZITADEL-Signature'].replace('t=17', 't=18')
    expect(await verified(source, { 'ZITADEL-Signature': moved }, '{}', nowMs)).toBe('wrong-signature')
    expect(await verified(source, { 'ZITADEL-Signature': 't=x,v1=00' }, '{}', nowMs)).toBe('wrong-signature')
  })
})

describe('a JWT', () => {
  const claims = () => ({
    ...{
      aud: ['relay'],
      iat: nowSeconds(),
      exp: nowSeconds() + 300,
      request_body_sha256: digest('{}', 'hex'),
    },
  })
  const presented = (token: string) => ({ Authorization: `Bearer ${token}` })
  const source = formOf('keycloak with a JWT', '\naudience: relay')

  test('for this audience, signed lately, with a key of the source', async () => {
    expect(await verified(source, presented(jwt(claims())), '{}')).toBeUndefined()
  })

  const stranger = generateKeyPairSync('rsa', { modulusLength: 2_048 }).privateKey
  const unsigned = `${jwt(claims(), { alg: 'none' }).split('.').slice(0, 2).join('.')}.`
  const { n } = JSON.parse(webhookPlatforms['keycloak with a JWT']?.credentials.text ?? '').keys[0]
  const hmacOfPublicKey = () => {
    const signed = jwt(claims(), { alg: 'HS256', kid: 'k-1' }).split('.').slice(0, 2).join('.')
    return `${signed}.${createHmac('sha256', n).update(signed).digest('base64url')}`
  }

  test.each([
    ['of another audience', () => jwt({ ...claims(), aud: 'other' }), 'wrong-signature'],
    [
      'of another body',
      () => jwt({ ...claims(), request_body_sha256: digest('[]', 'hex') }),
      'wrong-signature',
    ],
    [
      'of no body, as an access token',
      () => jwt({ ...claims(), request_body_sha256: undefined }),
      'wrong-signature',
    ],
    ['that has expired', () => jwt({ ...claims(), exp: nowSeconds() - 60 }), 'stale'],
    ['signed long ago', () => jwt({ ...claims(), iat: nowSeconds() - 600 }), 'stale'],
    ['not valid yet', () => jwt({ ...claims(), nbf: nowSeconds() + 60 }), 'stale'],
    ['with a time that is none', () => jwt({ ...claims(), exp: 'never' }), 'wrong-signature'],
    ['of another key', () => jwt(claims(), { alg: 'RS256', kid: 'k-1' }, stranger), 'wrong-signature'],
    ['of an unknown kid', () => jwt(claims(), { alg: 'RS256', kid: 'k-2' }), 'wrong-signature'],
    ['without a signature', () => unsigned, 'wrong-signature'],
    ['signed with the public key as a secret', hmacOfPublicKey, 'wrong-signature'],
    ['that is none', () => 'a.b', 'wrong-signature'],
  ])('%s is not believed', async (_, token, becomes) => {
    expect(await verified(source, presented(token()), '{}')).toBe(becomes)
  })
})

describe('a JWT that is signed with', () => {
  const claims = { request_body_sha256: digest('{}', 'base64') }
  const base64url = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const pair = (type: 'ec' | 'ed25519', namedCurve = 'P-256') =>
    type === 'ec' ? generateKeyPairSync('ec', { namedCurve }) : generateKeyPairSync('ed25519')
  const shared = Buffer.alloc(32, 'k')

  test.each([
    ['ES256', 'ec', 'P-256', 'sha256'],
    ['ES384', 'ec', 'P-384', 'sha384'],
    ['EdDSA', 'ed25519', undefined, null],
  ] as const)('%s is believed, and no other algorithm of that name', async (alg, type, curve, hash) => {
    const { privateKey, publicKey } = pair(type, curve)
    const source = sourceOf(
      'platform: fusionauth\nkeysFile: credentials',
      publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    )
    const token = (name: string) => {
      const signed = `${base64url({ alg: name })}.${base64url(claims)}`
      const key = { key: privateKey, dsaEncoding: 'ieee-p1363' } as const
      return `${signed}.${sign(hash, Buffer.from(signed), key).toString('base64url')}`
    }
    const presented = (name: string) => ({ 'X-FusionAuth-Signature-JWT': token(name) })
    expect(await verified(source, presented(alg), '{}')).toBeUndefined()
    expect(await verified(source, presented('HS256'), '{}')).toBe('wrong-signature')
  })

  test('HS256 is believed with a shared key', async () => {
    const source = sourceOf(
      'platform: fusionauth\nkeysFile: credentials',
      JSON.stringify({ keys: [{ kty: 'oct', k: shared.toString('base64url') }] }),
    )
    const signed = `${base64url({ alg: 'HS256' })}.${base64url(claims)}`
    const signature = createHmac('sha256', shared).update(signed).digest('base64url')
    const token = `${signed}.${signature}`
    expect(await verified(source, { 'X-FusionAuth-Signature-JWT': token }, '{}')).toBeUndefined()
  })
})
