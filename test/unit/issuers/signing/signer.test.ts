import { createLocalJWKSet, decodeJwt, decodeProtectedHeader, type JSONWebKeySet, jwtVerify } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type TokenAlgorithm, tokenAlgorithms } from '../../../../src/events/registration.ts'
import { Signer, type SignRequest } from '../../../../src/issuers/signing/signer.ts'
import { SigningKeys } from '../../../../src/issuers/signing/signing-keys.ts'
import { codeOf } from '../../../../src/lib/errors.ts'
import { manualClock } from '../../manual-clock.ts'
import { ISSUER, sampleRegistration } from '../../sample-registration.ts'
import { KeyFileOnDisk } from './key-file-on-disk.ts'
import { jwkOf, jwkSet, keyFor } from './key-material.ts'

const clock = manualClock()
const keys = tokenAlgorithms.map((alg) => jwkOf(keyFor(alg), { alg, kid: `key-${alg}` }))
const file = new KeyFileOnDisk(jwkSet(...keys))
const signingKeys = new SigningKeys(file.path, clock)
const signer = new Signer(signingKeys, clock)

beforeAll(() => signingKeys.load())
afterAll(() => file[Symbol.dispose]())

function request(alg: TokenAlgorithm, overrides: Partial<SignRequest> = {}): SignRequest {
  return {
    registration: sampleRegistration(),
    claims: 'both',
    late: false,
    alg,
    typ: 'logout+jwt',
    ...overrides,
  }
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
function sign(it: ReturnType<typeof request>): { token: string; jti: string } {
  const { token, jti } = signer.sign(it)
  return { token: token.toString(), jti }
}

describe.each(tokenAlgorithms)('a logout token signed with %s', (alg) => {
  test('is what an RP verifies', async () => {
    const { token, jti } = sign(request(alg))
    const { payload, protectedHeader } = await verify(token)
    expect(protectedHeader).toEqual({ alg, typ: 'logout+jwt', kid: `key-${alg}` })
    expect(payload).toEqual({
      iss: ISSUER,
      aud: 'client-1',
      iat: Math.floor(clock.now() / 1_000),
      exp: Math.floor(clock.now() / 1_000) + 120,
      jti,
      events: { 'http://schemas.openid.net/event/backchannel-logout': {} },
      sub: 'user-1',
      sid: 'session-1',
    })
  })

  test('does not verify when a character of it is changed', async () => {
    const { token } = sign(request(alg))
    const [header, payload, signature] = token.split('.') as [string, string, string]
    const forged = Buffer.from(payload, 'base64url').toString().replace('user-1', 'user-2')
    await expect(
      verify(`${header}.${Buffer.from(forged).toString('base64url')}.${signature}`),
    ).rejects.toMatchObject({ code: 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED' })
  })
})

describe('signer', () => {
  test('gives every token a jti of its own, and never a nonce', () => {
    const tokens = Array.from({ length: 200 }, () => sign(request('EdDSA')))
    expect(new Set(tokens.map(({ jti }) => jti)).size).toBe(200)
    for (const { token, jti } of tokens) {
      expect(decodeJwt(token).jti).toBe(jti)
      expect(decodeJwt(token)).not.toHaveProperty('nonce')
    }
  })

  test('writes the typ that the RP wants, and remembers no other one', async () => {
    for (const typ of ['JWT', 'logout+jwt', 'JWT', 'logout+jwt'] as const) {
      const { token } = sign(request('ES256', { typ }))
      expect(decodeProtectedHeader(token)).toEqual({ alg: 'ES256', typ, kid: 'key-ES256' })
      await verify(token, typ)
    }
  })

  test('counts the two minutes from the moment of signing', () => {
    const before = decodeJwt(sign(request('ES256')).token)
    clock.nowMs += 61_999
    const after = decodeJwt(sign(request('ES256')).token)
    expect((after.iat ?? 0) - (before.iat ?? 0)).toBe(61)
    expect((after.exp ?? 0) - (after.iat ?? 0)).toBe(120)
  })

  test('says so when no key signs the algorithm', async () => {
    using only = new KeyFileOnDisk(jwkSet(jwkOf(keyFor('ES256'))))
    const few = new SigningKeys(only.path, clock)
    await few.load()
    const code = (() => {
      try {
        new Signer(few, clock).sign(request('RS256'))
        return undefined
      } catch (error) {
        return codeOf(error)
      }
    })()
    expect(code).toBe('LR_KEY_MISSING')
  })
})
