import { createLocalJWKSet, decodeProtectedHeader, type JSONWebKeySet, jwtVerify } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type TokenAlgorithm, type TokenType, tokenAlgorithms } from '../../../../src/events/registration.ts'
import { Signer } from '../../../../src/issuers/signing/signer.ts'
import { SigningKeys } from '../../../../src/issuers/signing/signing-keys.ts'
import { codeOf } from '../../../../src/lib/errors.ts'
import { manualClock } from '../../manual-clock.ts'
import { ISSUER } from '../../sample-registration.ts'
import { KeyFileOnDisk } from './key-file-on-disk.ts'
import { jwkOf, jwkSet, keyFor } from './key-material.ts'

const clock = manualClock()
const keys = tokenAlgorithms.map((alg) => jwkOf(keyFor(alg), { alg, kid: `key-${alg}` }))
const file = new KeyFileOnDisk(jwkSet(...keys))
const signingKeys = new SigningKeys(file.path, clock)
const signer = new Signer(signingKeys)

beforeAll(() => signingKeys.load())
afterAll(() => file[Symbol.dispose]())

const claims = {
  iss: ISSUER,
  aud: 'client-1',
  iat: Math.floor(clock.now() / 1_000),
  exp: Math.floor(clock.now() / 1_000) + 120,
  jti: 'jti-1',
  events: { 'http://schemas.openid.net/event/backchannel-logout': {} },
  sub: 'user-1',
  sid: 'session-1',
}

/** As an RP does it: with the keys that the issuer publishes (OIDC BCL 1.0 §2.6). */
function verify(token: string, typ = 'logout+jwt') {
  const published = createLocalJWKSet({ keys: signingKeys.publicJwks() } as unknown as JSONWebKeySet)
  return jwtVerify(token, published, {
    issuer: ISSUER,
    audience: 'client-1',
    typ,
    currentDate: new Date(clock.now()),
    maxTokenAge: '2 minutes',
    requiredClaims: ['iss', 'aud', 'iat', 'exp', 'jti', 'events', 'sub', 'sid'],
  })
}

/** As the RP reads it. */
function sign(alg: TokenAlgorithm, typ: TokenType = 'logout+jwt'): string {
  return signer.sign(alg, typ, JSON.stringify(claims)).toString()
}

describe.each(tokenAlgorithms)('a logout token signed with %s', (alg) => {
  test('is what an RP verifies', async () => {
    const { payload, protectedHeader } = await verify(sign(alg))
    expect(protectedHeader).toEqual({ alg, typ: 'logout+jwt', kid: `key-${alg}` })
    expect(payload).toEqual(claims)
  })

  test('does not verify when a character of it is changed', async () => {
    const [header, payload, signature] = sign(alg).split('.') as [string, string, string]
    const forged = Buffer.from(payload, 'base64url').toString().replace('user-1', 'user-2')
    await expect(
      verify(`${header}.${Buffer.from(forged).toString('base64url')}.${signature}`),
    ).rejects.toMatchObject({ code: 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED' })
  })
})

describe('signer', () => {
  test('writes the typ that the RP wants, and remembers no other one', async () => {
    for (const typ of ['JWT', 'logout+jwt', 'JWT', 'logout+jwt'] as const) {
      const token = sign('ES256', typ)
      expect(decodeProtectedHeader(token)).toEqual({ alg: 'ES256', typ, kid: 'key-ES256' })
      await verify(token, typ)
    }
  })

  test('says so when no key signs the algorithm', async () => {
    using only = new KeyFileOnDisk(jwkSet(jwkOf(keyFor('ES256'))))
    const few = new SigningKeys(only.path, clock)
    await few.load()
    const code = (() => {
      try {
        new Signer(few).sign('RS256', 'logout+jwt', '{}')
        return undefined
      } catch (error) {
        return codeOf(error)
      }
    })()
    expect(code).toBe('LR_KEY_MISSING')
  })
})
