import { generateKeyPairSync } from 'node:crypto'
import { calculateJwkThumbprint, type JWK } from 'jose'
import { describe, expect, test } from 'vitest'
import { readKeyFile } from '../../../../src/issuers/signing/key-file.ts'
import { codeOf, messageOf } from '../../../../src/lib/errors.ts'
import { ecKey, ed25519Key, jwkOf, jwkSet, pemOf, rsaKey } from './key-material.ts'

const PRIVATE_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'k', 'oth']

const ec = ecKey()
const ed = ed25519Key()

const read = (text: string) => readKeyFile(Buffer.from(text))

async function summary(text: string) {
  const { keys } = await read(text)
  return keys.map(({ kid, algorithms }) => ({ kid, algorithms }))
}

function thumbprint(jwk: Record<string, unknown>): Promise<string> {
  return calculateJwkThumbprint(jwk as JWK)
}

describe('key file as JSON', () => {
  test('a set of keys of every kind', async () => {
    const text = jwkSet(
      jwkOf(rsaKey, { kid: 'a' }),
      jwkOf(rsaKey, { kid: 'b', alg: 'PS256' }),
      jwkOf(ec, { kid: 'c', use: 'sig' }),
      jwkOf(ed, { kid: 'd', alg: 'EdDSA' }),
    )
    expect(await summary(text)).toEqual([
      { kid: 'a', algorithms: ['RS256', 'PS256'] },
      { kid: 'b', algorithms: ['PS256'] },
      { kid: 'c', algorithms: ['ES256'] },
      { kid: 'd', algorithms: ['EdDSA', 'Ed25519'] },
    ])
  })

  test('one key alone, which without a kid is named by its thumbprint', async () => {
    const jwk = jwkOf(ec)
    expect(await summary(`\n  ${JSON.stringify(jwk)}`)).toEqual([
      { kid: await thumbprint(jwk), algorithms: ['ES256'] },
    ])
  })

  test('what is published holds the public half only', async () => {
    const { keys } = await read(jwkSet(jwkOf(rsaKey), jwkOf(ec), jwkOf(ed)))
    for (const { publicJwk, kid, algorithms } of keys) {
      expect(Object.keys(publicJwk).filter((name) => PRIVATE_MEMBERS.includes(name))).toEqual([])
      expect(publicJwk).toMatchObject({ kid, use: 'sig' })
      expect(publicJwk.alg).toBe(algorithms.length === 1 ? algorithms[0] : undefined)
    }
  })

  test.each([
    [undefined, 0],
    [1_800_000_000, 1_800_000_000_000],
    ['2027-01-15T08:00:00Z', 1_800_000_000_000],
    ['2027-01-15T09:00+01:00', 1_800_000_000_000],
    ['2027-01-15', 1_799_971_200_000],
    [1_800_000_000.5, 1_800_000_000_500],
    [0, 0],
  ])('notBefore %j', async (notBefore, ms) => {
    const [key] = (await read(jwkSet(jwkOf(ec, { notBefore })))).keys
    expect(key?.notBeforeMs).toBe(ms)
    expect(key?.publicJwk).not.toHaveProperty('notBefore')
  })
})

describe('key file as PEM', () => {
  test.each([
    ['PKCS #8', pemOf(rsaKey), ['RS256', 'PS256']],
    ['PKCS #1', pemOf(rsaKey, 'pkcs1'), ['RS256', 'PS256']],
    ['SEC 1', pemOf(ec, 'sec1'), ['ES256']],
    ['PKCS #8 with CRLF', pemOf(ed).replaceAll('\n', '\r\n'), ['EdDSA', 'Ed25519']],
  ])('%s', async (_, text, algorithms) => {
    expect((await summary(text)).map((key) => key.algorithms)).toEqual([algorithms])
  })

  test('several blocks with text around them, each under its thumbprint', async () => {
    const text = `# the old one\n${pemOf(rsaKey)}\nthe new one:\n${pemOf(ec, 'sec1')}${pemOf(ed)}`
    expect(await summary(text)).toEqual([
      { kid: await thumbprint(jwkOf(rsaKey)), algorithms: ['RS256', 'PS256'] },
      { kid: await thumbprint(jwkOf(ec)), algorithms: ['ES256'] },
      { kid: await thumbprint(jwkOf(ed)), algorithms: ['EdDSA', 'Ed25519'] },
    ])
  })
})

const small = generateKeyPairSync('rsa', { modulusLength: 1_024 }).privateKey
const x25519 = generateKeyPairSync('x25519').privateKey
const ed448 = generateKeyPairSync('ed448').privateKey
const rsaPss = generateKeyPairSync('rsa-pss', { modulusLength: 2_048 }).privateKey
const encrypted = ec
  .export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'open sesame' })
  .toString()
const legacyEncrypted = pemOf(rsaKey, 'pkcs1').replace(
  'KEY-----\n',
  'KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00112233445566778899AABBCCDDEEFF\n\n',
)
const secret = 'c2VjcmV0LXNlY3JldC1zZWNyZXQ'
const { d: _, ...publicHalf } = jwkOf(ed)
const mine = jwkOf(ec, { kid: 'mine' })

/** Each alone is no reason to refuse a file with a good key in it. */
const unusable: [name: string, jwk: unknown, says: RegExp][] = [
  ['a symmetric key', { kty: 'oct', k: secret, kid: 'h' }, /symmetric/],
  ['a key for encryption', jwkOf(rsaKey, { use: 'enc' }), /use is "enc"/],
  ['a key for decryption', jwkOf(rsaKey, { key_ops: ['decrypt'] }), /key_ops .*"sign"/],
  ['a key for nothing', jwkOf(rsaKey, { key_ops: [] }), /key_ops/],
  ['key_ops that are no list', jwkOf(rsaKey, { key_ops: 'sign' }), /key_ops/],
  ['a public half', publicHalf, /no private half/],
  ['ES384', jwkOf(ecKey('P-384'), { alg: 'ES384' }), /alg is "ES384"/],
  ['P-384 without an alg', jwkOf(ecKey('P-384')), /secp384r1/],
  ['P-521', jwkOf(ecKey('P-521')), /secp521r1/],
  ['secp256k1', jwkOf(ecKey('secp256k1')), /secp256k1/],
  ['X25519', jwkOf(x25519), /x25519/],
  ['Ed448', jwkOf(ed448, { alg: 'EdDSA' }), /ed448/],
  ['RSA-OAEP', jwkOf(rsaKey, { alg: 'RSA-OAEP' }), /alg is "RSA-OAEP"/],
  ['RS512', jwkOf(rsaKey, { alg: 'RS512' }), /alg is "RS512"/],
  ['a short RSA key', jwkOf(small), /2048 to 8192 bits/],
  ['an RSA key with a damaged prime', jwkOf(rsaKey, { p: 'AAAA' }), /do not match|cannot be read/],
  ['an unknown key type', { kty: 'AKP', alg: 'ML-DSA-65', d: secret, priv: secret }, /alg is "ML-DSA-65"/],
  ['an unknown key type without an alg', { kty: 'XYZ', d: secret }, /cannot be read/],
  ['a broken coordinate', jwkOf(ec, { x: '!' }), /cannot be read|halves/],
  ['a private part that is a number', jwkOf(ec, { d: 98_765_432_123 }), /cannot be read/],
  ['an RSA key without its primes', { ...jwkOf(rsaKey), p: undefined, q: undefined }, /cannot be read/],
  ['halves of two EC keys', { ...jwkOf(ec), d: jwkOf(ecKey()).d }, /do not match|cannot be read/],
  ['halves of two Ed25519 keys', { ...jwkOf(ed), d: jwkOf(ed25519Key()).d }, /halves/],
  ['halves of two RSA keys', { ...jwkOf(rsaKey), n: jwkOf(small).n }, /do not match|cannot be read/],
  ['an alg of another key type', jwkOf(ec, { alg: 'RS256' }), /alg "RS256" does not fit/],
  ['the alg none', jwkOf(ec, { alg: 'none' }), /alg is "none"/],
  ['an alg that is a number', jwkOf(ec, { alg: 7 }), /alg must be/],
  ...[
    ...['tomorrow', 'in 3 days', 'key 7', '1800000000', '', '2027-13-01', '15.01.2027', '9027-01-15'],
    ...[1_800_000_000_000, 1_800_000_000_000_000, 1e300, -1, -1_800_000_000, true, [], {}],
  ].map((it): [string, unknown, RegExp] => [
    `a notBefore that is ${JSON.stringify(it)}`,
    jwkOf(ec, { notBefore: it }),
    /notBefore must be seconds since the epoch \(not milliseconds\)/,
  ]),
  ...['', 7, 'k '.repeat(5_120), 'a\nb', 'a\u0000', 'a\u009bb', 'a\u202eb', 'a\u2028b', 'a\ud800', {}].map(
    (it): [string, unknown, RegExp] => [
      `a kid that is ${JSON.stringify(it).slice(0, 20)}`,
      jwkOf(ec, { kid: it }),
      /kid must .*another kid/,
    ],
  ),
  ['null', null, /not a JWK/],
  ['a text', 'mine', /not a JWK/],
]

describe('a key that cannot sign', () => {
  test.each(unusable)('%s beside a good one is left out and named', async (_, jwk, says) => {
    const keys = [jwk, mine] as Record<string, unknown>[]
    const { keys: used, leftOut } = await read(jwkSet(...keys))
    expect(used.map(({ kid }) => kid)).toEqual(['mine'])
    expect(leftOut).toEqual([
      expect.objectContaining({
        name: expect.stringMatching(/^kid |^keys\[0\]/),
        reason: expect.stringMatching(says),
      }),
    ])
    expectNothingOf(JSON.stringify(jwk), JSON.stringify(leftOut))
  })

  test.each(unusable)('%s alone is refused, for that reason', async (_, jwk, says) => {
    const text = jwkSet(jwk as Record<string, unknown>)
    expect(await faultOf(() => read(text))).toMatchObject({
      code: 'LR_KEYS_INVALID',
      message: expect.stringMatching(says),
    })
    expectNothingOf(text, messageOf(await faultOf(() => read(text))))
  })

  test.each([
    ['encrypted', encrypted, /is encrypted/],
    ['encrypted in the old way', legacyEncrypted, /is encrypted/],
    ['cut', pemOf(ec).slice(0, 90), /last line is missing/],
    ['of OpenSSH', pemOf(ec).replaceAll('PRIVATE', 'OPENSSH PRIVATE'), /OpenSSH/],
    ['RSA-PSS', pemOf(rsaPss), /rsa-pss/],
    ['damaged', pemOf(ec).replace(/\n[A-Za-z0-9+/]{10}/, '\n0000000000'), /cannot be read/],
  ])('a PEM block that is %s takes no other with it', async (_, block, says) => {
    const { keys, leftOut } = await read(`${block}\n${pemOf(ed)}`)
    expect(keys.map(({ kid }) => kid)).toEqual([await thumbprint(jwkOf(ed))])
    expect(leftOut).toEqual([
      { name: 'PEM block 1', reason: expect.stringMatching(says), isMistake: expect.any(Boolean) },
    ])
    expectNothingOf(block, JSON.stringify(leftOut))
    expect(await faultOf(() => read(block))).toMatchObject({ message: expect.stringMatching(says) })
  })

  test('of two keys with one kid the first signs, but a kid may name one key of each type', async () => {
    const { keys, leftOut } = await read(
      jwkSet(
        jwkOf(rsaKey, { kid: 'k', use: 'enc' }),
        jwkOf(ec, { kid: 'k' }),
        jwkOf(ecKey(), { kid: 'k' }),
        jwkOf(ed, { kid: 'k' }),
      ),
    )
    expect(keys.map(({ publicJwk }) => publicJwk.kty)).toEqual(['EC', 'OKP'])
    expect(leftOut.map(({ name, isMistake }) => [name, isMistake])).toEqual([
      ['kid k', false],
      ['kid k', true],
    ])
    expect(keys[0]?.publicJwk.x).toBe(jwkOf(ec).x)
  })
})

describe('a key file as tools leave it', () => {
  const json = jwkSet(mine)
  const pem = pemOf(ec)
  const utf16 = (text: string): Buffer => Buffer.from(`\ufeff${text}`, 'utf16le')
  test.each([
    ['JSON behind a byte order mark', Buffer.from(`\ufeff${json}`)],
    ['PEM behind a byte order mark', Buffer.from(`\ufeff${pem}`)],
    ['JSON in UTF-16', utf16(json)],
    ['PEM in UTF-16, high byte first', utf16(pem).swap16()],
    ['a list of JWKs', Buffer.from(JSON.stringify([mine]))],
    [
      'members that are null',
      Buffer.from(jwkSet(jwkOf(ec, { use: null, key_ops: null, alg: null, notBefore: null }))),
    ],
    [
      'a certificate chain before the key',
      Buffer.from(`-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n${pem}`),
    ],
    [
      'parameters before the key',
      Buffer.from(`-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n${pem}`),
    ],
    ['old line ends', Buffer.from(pem.replaceAll('\n', '\r'))],
    ['line ends written as \\n', Buffer.from(pem.replaceAll('\n', '\\n'))],
    ['an indented block', Buffer.from(pem.replaceAll('\n', '\n    '))],
    ['something behind the key', Buffer.from(`${pem}\nsee the wiki\n\0`)],
  ])('%s', async (_, content) => {
    const { keys, leftOut } = await readKeyFile(content)
    expect(keys.map(({ algorithms }) => algorithms)).toEqual([['ES256']])
    expect(leftOut).toEqual([])
  })
})

test('the newer name Ed25519 and the older EdDSA mean the same key, and it is published as it is named', async () => {
  for (const alg of ['Ed25519', 'EdDSA']) {
    expect((await read(jwkSet(jwkOf(ed, { alg })))).keys).toEqual([
      expect.objectContaining({
        algorithms: ['EdDSA', 'Ed25519'],
        publicJwk: expect.objectContaining({ alg }),
      }),
    ])
  }
})

describe('a file without any key', () => {
  const wrong: [name: string, text: string, says: RegExp][] = [
    ['empty', '', /no private key/],
    ['a set without keys', '{"keys":[]}', /no private key/],
    ['another document', '{"issuer":"https://login.example.com"}', /no private key/],
    ['a certificate', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----', /no private key/],
    ['cut JSON', jwkSet(jwkOf(ec)).slice(0, -9), /not JSON/],
    ['JSON with something behind it', `${jwkSet(jwkOf(ec))}}`, /not JSON/],
    ['an encrypted JWK set', JSON.stringify({ protected: 'e30', ciphertext: secret }), /is encrypted/],
  ]

  test.each(wrong)('%s is refused, and the message holds nothing of it', async (_, text, says) => {
    const fault = await faultOf(() => read(text))
    expect([codeOf(fault), messageOf(fault)]).toEqual(['LR_KEYS_INVALID', expect.stringMatching(says)])
    expectNothingOf(text, messageOf(fault))
  })
})

async function faultOf(act: () => Promise<unknown>): Promise<unknown> {
  try {
    return await act()
  } catch (error) {
    return error
  }
}

function expectNothingOf(text: string, said: string): void {
  const material = text.match(/[A-Za-z0-9+/_-]{16,}|\d{9,}/g) ?? []
  expect(material.filter((piece) => said.includes(piece.slice(0, 11)))).toEqual([])
}
