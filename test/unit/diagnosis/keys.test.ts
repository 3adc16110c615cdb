import { createPublicKey } from 'node:crypto'
import { beforeAll, describe, expect, test } from 'vitest'
import { checkPublished, keyPlaceOf, publishedKeys } from '../../../src/diagnosis/key-published.ts'
import { checkKeyPermissions, checkKeysEnding, checkSigning } from '../../../src/diagnosis/keys.ts'
import { readKeyFile } from '../../../src/issuers/signing/key-file.ts'
import type { SigningKey } from '../../../src/issuers/signing/signing-key.ts'
import { privateJwk } from '../../support/signing-key-file.ts'

const NOW_MS = Date.parse('2026-01-31T12:00:00Z')
const jwks = {
  rsa: privateJwk('rsa', 'rsa-1'),
  other: privateJwk('rsa', 'rsa-1'),
  ec: privateJwk('ec', 'ec-1', { alg: 'ES256' }),
}
let rsa: SigningKey
let ec: SigningKey

beforeAll(async () => {
  const { keys } = await readKeyFile(Buffer.from(JSON.stringify({ keys: [jwks.rsa, jwks.ec] })))
  ;[rsa, ec] = keys as [SigningKey, SigningKey]
})

/** As an issuer publishes it. */
const published = (kind: keyof typeof jwks, more: Record<string, unknown> = {}) => ({
  ...createPublicKey({ key: jwks[kind] as never, format: 'jwk' }).export({ format: 'jwk' }),
  kid: jwks[kind].kid,
  ...more,
})

describe('a key in the JWK set of the issuer', () => {
  const check = (key: SigningKey, ...set: Record<string, unknown>[]) =>
    checkPublished(key, set, NOW_MS, keyPlaceOf('https://a', undefined))

  test('is found by its kid and by what it is', () => {
    expect(check(rsa, published('ec'), published('rsa', { alg: 'RS256', use: 'sig' })).severity).toBe('ok')
    expect(check(rsa, published('rsa')).severity).toBe('ok')
    expect(check(ec, published('ec', { alg: 'ES256' })).severity).toBe('ok')
  })

  test('is found although its numbers are written with leading zeros', () => {
    const { n } = published('rsa') as { n?: string }
    const padded = Buffer.concat([Buffer.from([0]), Buffer.from(n as string, 'base64url')]).toString(
      'base64url',
    )
    expect(check(rsa, published('rsa', { n: padded })).severity).toBe('ok')
  })

  test.each([
    { name: 'missing', set: () => [published('ec')], says: 'is not in the issuer' },
    { name: 'another key of that kid', set: () => [published('other')], says: 'is another key' },
    { name: 'under another kid', set: () => [published('rsa', { kid: 'k2' })], says: 'as kid k2' },
    { name: 'without a kid', set: () => [published('rsa', { kid: undefined })], says: 'without a kid' },
    { name: 'for encryption', set: () => [published('rsa', { use: 'enc' })], says: 'use "enc"' },
    {
      name: 'not for verifying',
      set: () => [published('rsa', { key_ops: ['encrypt'] })],
      says: 'key_ops without "verify"',
    },
    {
      name: 'for another algorithm',
      set: () => [published('rsa', { alg: 'RS512' })],
      says: 'published for RS512',
    },
    { name: 'unreadable', set: () => [{ kid: 'rsa-1', kty: 'RSA' }], says: 'is another key' },
  ])('$name is an error', ({ set, says }) => {
    const { severity, text, remedy } = check(rsa, ...set())
    expect(text).toContain(says)
    expect(severity).toBe('error')
    expect(remedy).not.toBe('')
  })

  test('the remedy names the file that is in force, and where the relay shows the key of that issuer', () => {
    const place = keyPlaceOf('https://a.example', 'issuers.yaml:3')
    const ofFile = (...set: Record<string, unknown>[]) => checkPublished(rsa, set, NOW_MS, place).remedy
    expect(ofFile()).toContain('/jwks.json?issuer=https%3A%2F%2Fa.example of the relay')
    for (const remedy of [ofFile(published('other')), ofFile(published('rsa', { kid: 'k2' }))]) {
      expect(remedy).toContain('the key file of issuers.yaml:3')
      expect(remedy).not.toContain('SIGNING_KEYS_FILE')
    }
    expect(check(rsa).remedy).toContain('/jwks.json of the relay')
    expect(check(rsa, published('other')).remedy).toContain('SIGNING_KEYS_FILE')
  })

  test('for one of its algorithms only is said', () => {
    expect(check(rsa, published('rsa', { alg: 'RS256' })).text).toContain('alg PS256 needs another key')
  })

  test.each([
    { inMs: 3_600_000, is: 'warning' },
    { inMs: 10 * 60_000, is: 'warning' },
    { inMs: 10 * 60_000 - 1, is: 'error' },
    { inMs: 0, is: 'error' },
  ])('is not needed there long before it signs: in $inMs ms, $is', ({ inMs, is }) => {
    expect(check({ ...rsa, notBeforeMs: NOW_MS + inMs }).severity).toBe(is)
  })
})

describe('the JWK set', () => {
  test('must be a list of keys', () => {
    expect(publishedKeys({ keys: [{}] })).toEqual({ kind: 'read', jwks: [{}] })
    for (const keys of [undefined, {}, 'x', [null], ['x']]) {
      expect(publishedKeys({ keys })).toMatchObject({ kind: 'unusable', found: { severity: 'error' } })
    }
  })

  test('must not show private or symmetric keys, and what it shows is not quoted', () => {
    for (const leaked of [jwks.rsa, { kty: 'oct', k: 'c2VjcmV0', kid: 'o' }]) {
      const found = publishedKeys({ keys: [leaked] })
      expect(found).toMatchObject({ kind: 'unusable', found: { severity: 'error' } })
      expect(JSON.stringify(found)).not.toContain('c2VjcmV0')
      expect(JSON.stringify(found)).not.toContain(jwks.rsa.d)
    }
  })
})

describe('the key file', () => {
  test.each([
    [0o100600, 'ok'],
    [0o100400, 'ok'],
    [0o100640, 'ok'],
    [0o100440, 'ok'],
    [0o100644, 'warning'],
    [0o100604, 'warning'],
    [0o100620, 'warning'],
    [0o100666, 'warning'],
  ])('with mode %o: %s', (mode, is) => {
    expect(checkKeyPermissions({ mode }).severity).toBe(is)
  })

  test('what signs now is said with its strength', () => {
    expect(checkSigning([rsa, ec], NOW_MS)).toEqual({
      severity: 'ok',
      text: 'rsa-1 (RSA, 2048 bits) signs RS256 and PS256, ec-1 (P-256) signs ES256',
    })
  })

  test('a key that is to follow is said, too', () => {
    const later = { ...rsa, kid: 'rsa-2', notBeforeMs: NOW_MS + 1_000 }
    expect(checkSigning([rsa, later], NOW_MS).text).toContain('rsa-2 from 2026-01-31T12:00:01.000Z')
  })

  test('without RS256 registrations that name no algorithm fail', () => {
    expect(checkSigning([ec], NOW_MS)).toMatchObject({
      severity: 'warning',
      text: expect.stringContaining('no key signs RS256'),
    })
  })

  test('with keys of the future only no logout is sent', () => {
    const later = { ...rsa, notBeforeMs: NOW_MS + 60_000 }
    expect(checkSigning([later], NOW_MS)).toMatchObject({
      severity: 'error',
      text: expect.stringContaining('2026-01-31T12:01:00.000Z'),
    })
  })
})

describe('a key that ends without a successor', () => {
  const HOUR = 3_600_000
  const found = (leftMs: number) =>
    checkKeysEnding({ endings: [{ algorithm: 'ES256', kid: 'ec-1', endsAtMs: NOW_MS + leftMs }] }, NOW_MS)

  test('is told a week, a day and an hour before, each time as news, and when it has ended', () => {
    expect(found(8 * 24 * HOUR)).toEqual([])
    const told = [6 * 24 * HOUR, 23 * HOUR, HOUR / 2, 0].map((leftMs) => found(leftMs))
    for (const [it] of told) expect(it).toMatchObject({ severity: 'warning', about: 'ES256' })
    expect(new Set(told.map(([it]) => it?.text)).size).toBe(4)
  })
})
