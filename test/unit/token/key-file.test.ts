import { generateKeyPairSync } from 'node:crypto'
import { calculateJwkThumbprint, type JWK } from 'jose'
import { describe, expect, test } from 'vitest'
import { codeOf, messageOf } from '../../../src/errors.ts'
import { readKeyFile } from '../../../src/token/key-file.ts'
import { ecKey, ed25519Key, jwkOf, jwkSet, pemOf, rsaKey } from './key-material.ts'

const PRIVATE_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'k', 'oth']

const ec = ecKey()
const ed = ed25519Key()

async function summary(text: string) {
  return (await readKeyFile(text)).map(({ kid, algorithms }) => ({ kid, algorithms }))
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
      { kid: 'd', algorithms: ['EdDSA'] },
    ])
  })

  test('one key alone, which without a kid is named by its thumbprint', async () => {
    const jwk = jwkOf(ec)
    expect(await summary(`\n  ${JSON.stringify(jwk)}`)).toEqual([
      { kid: await thumbprint(jwk), algorithms: ['ES256'] },
    ])
  })

  test('keys for encryption and public halves of others are passed over', async () => {
    const { d, ...publicHalf } = jwkOf(ed)
    const text = jwkSet(jwkOf(rsaKey, { use: 'enc', kid: 'e' }), publicHalf, jwkOf(ec, { kid: 'mine' }))
    expect(await summary(text)).toEqual([{ kid: 'mine', algorithms: ['ES256'] }])
  })

  test('what is published holds the public half only', async () => {
    const keys = await readKeyFile(jwkSet(jwkOf(rsaKey), jwkOf(ec), jwkOf(ed)))
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
    [0, 0],
  ])('notBefore %j', async (notBefore, ms) => {
    const [key] = await readKeyFile(jwkSet(jwkOf(ec, { notBefore })))
    expect(key?.notBeforeMs).toBe(ms)
    expect(key?.publicJwk).not.toHaveProperty('notBefore')
  })
})

describe('key file as PEM', () => {
  test.each([
    ['PKCS #8', pemOf(rsaKey), ['RS256', 'PS256']],
    ['PKCS #1', pemOf(rsaKey, 'pkcs1'), ['RS256', 'PS256']],
    ['SEC 1', pemOf(ec, 'sec1'), ['ES256']],
    ['PKCS #8 with CRLF', pemOf(ed).replaceAll('\n', '\r\n'), ['EdDSA']],
  ])('%s', async (_, text, algorithms) => {
    expect((await summary(text)).map((key) => key.algorithms)).toEqual([algorithms])
  })

  test('several blocks with text around them, each under its thumbprint', async () => {
    const text = `# the old one\n${pemOf(rsaKey)}\nthe new one:\n${pemOf(ec, 'sec1')}${pemOf(ed)}`
    expect(await summary(text)).toEqual([
      { kid: await thumbprint(jwkOf(rsaKey)), algorithms: ['RS256', 'PS256'] },
      { kid: await thumbprint(jwkOf(ec)), algorithms: ['ES256'] },
      { kid: await thumbprint(jwkOf(ed)), algorithms: ['EdDSA'] },
    ])
  })
})

describe('a wrong key file', () => {
  const small = generateKeyPairSync('rsa', { modulusLength: 1_024 }).privateKey
  const p384 = ecKey('P-384')
  const x25519 = generateKeyPairSync('x25519').privateKey
  const encrypted = ec
    .export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'open sesame' })
    .toString()
  const secret = 'c2VjcmV0LXNlY3JldC1zZWNyZXQ'

  const wrong: [name: string, text: string, says: RegExp][] = [
    ['empty', '', /no private key/],
    ['a set without keys', '{"keys":[]}', /no private key/],
    ['public keys only', JSON.stringify({ keys: [{ ...jwkOf(ec), d: undefined }] }), /no private key/],
    ['a certificate', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----', /no private key/],
    ['cut JSON', jwkSet(jwkOf(ec)).slice(0, -9), /not JSON/],
    ['cut PEM', pemOf(ec).slice(0, 90), /no private key/],
    [
      'a PEM block with other content',
      pemOf(ec).replace(/\n[A-Za-z0-9+/]{10}/, '\n0000000000'),
      /PEM block 1/,
    ],
    ['an encrypted key', encrypted, /PEM block 1/],
    ['a symmetric key', jwkSet({ kty: 'oct', k: secret, kid: 'h' }), /keys\[0\]: a symmetric key/],
    ['a short RSA key', pemOf(small), /at least 2048 bits/],
    ['another curve', jwkSet(jwkOf(p384)), /only P-256/],
    ['a key for key agreement', jwkSet(jwkOf(x25519)), /x25519 cannot sign/],
    ['an unknown key type', jwkSet({ kty: 'XYZ', d: secret }), /keys\[0\]/],
    ['a broken coordinate', jwkSet(jwkOf(ec, { x: '!' })), /keys\[0\]: cannot be read/],
    [
      'a private part that is a number',
      jwkSet(jwkOf(ec, { d: 98_765_432_123 })),
      /keys\[0\]: cannot be read/,
    ],
    ['an alg of another key type', jwkSet(jwkOf(ec, { alg: 'RS256' })), /alg "RS256" does not fit/],
    ['the alg none', jwkSet(jwkOf(ec, { alg: 'none' })), /does not fit/],
    ['a notBefore that is no time', jwkSet(jwkOf(ec, { notBefore: 'tomorrow' })), /notBefore/],
    ['the same kid twice', jwkSet(jwkOf(ec, { kid: 'k' }), jwkOf(ed, { kid: 'k' })), /same kid/],
    ['the same PEM key twice', pemOf(ec) + pemOf(ec), /same kid/],
    ['a null among the keys', JSON.stringify({ keys: [null, jwkOf(ec)] }), /keys\[0\]|no private key/],
    ['a kid that is empty', jwkSet(jwkOf(ec, { kid: '' })), /kid/],
    ['a kid that is a number', jwkSet(jwkOf(ec, { kid: 7 })), /kid/],
  ]

  test.each(wrong)('%s', async (_, text, says) => {
    const error: unknown = await readKeyFile(text).catch((it: unknown) => it)
    expect([codeOf(error), messageOf(error)]).toEqual(['LR_KEYS_INVALID', expect.stringMatching(says)])
  })

  test.each(wrong)('%s: the message holds nothing of the key', async (_, text) => {
    const message = messageOf(await readKeyFile(text).catch((it: unknown) => it))
    const material = text.match(/[A-Za-z0-9+/_-]{16,}|\d{9,}/g) ?? []
    expect(material.filter((piece) => message.includes(piece.slice(0, 11)))).toEqual([])
  })
})
