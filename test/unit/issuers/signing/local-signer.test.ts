import { createLocalJWKSet, decodeProtectedHeader, type JSONWebKeySet, jwtVerify } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type TokenAlgorithm, type TokenType, tokenAlgorithms } from '../../../../src/events/registration.ts'
import { LocalSigner } from '../../../../src/issuers/signing/local-signer.ts'
import { RsaThreads } from '../../../../src/issuers/signing/rsa-threads.ts'
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
const signer = new LocalSigner(signingKeys, new RsaThreads(2))

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
function sign(alg: TokenAlgorithm, typ: TokenType = 'logout+jwt'): Promise<string> {
  return new Promise((resolve, reject) =>
    signer.sign({ alg, typ }, JSON.stringify(claims), (signed) => {
      if (signed instanceof Error) reject(signed)
      else resolve(signed.toString())
    }),
  )
}

describe.each(tokenAlgorithms)('a logout token signed with %s', (alg) => {
  test('is what an RP verifies', async () => {
    const { payload, protectedHeader } = await verify(await sign(alg))
    expect(protectedHeader).toEqual({ alg, typ: 'logout+jwt', kid: `key-${alg}` })
    expect(payload).toEqual(claims)
  })

  test('does not verify when a character of it is changed', async () => {
    const [header, payload, signature] = (await sign(alg)).split('.') as [string, string, string]
    const forged = Buffer.from(payload, 'base64url').toString().replace('user-1', 'user-2')
    await expect(
      verify(`${header}.${Buffer.from(forged).toString('base64url')}.${signature}`),
    ).rejects.toMatchObject({ code: 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED' })
  })
})

describe('signer', () => {
  test('writes the typ that the RP wants, and remembers no other one', async () => {
    for (const typ of ['JWT', 'logout+jwt', 'JWT', 'logout+jwt'] as const) {
      const token = await sign('ES256', typ)
      expect(decodeProtectedHeader(token)).toEqual({ alg: 'ES256', typ, kid: 'key-ES256' })
      await verify(token, typ)
    }
  })

  test('says so when no key signs the algorithm', async () => {
    using only = new KeyFileOnDisk(jwkSet(jwkOf(keyFor('ES256'))))
    const few = new SigningKeys(only.path, clock)
    await few.load()
    const signed: (Buffer | Error)[] = []
    new LocalSigner(few, new RsaThreads()).sign({ alg: 'RS256', typ: 'logout+jwt' }, '{}', (it) =>
      signed.push(it),
    )
    expect(signed.map(codeOf)).toEqual(['LR_KEY_MISSING'])
  })

  test('makes a few RSA signatures at once, and those that come in numbers beside one another', async () => {
    const made: string[] = []
    const signing = Array.from({ length: 50 }, async (_, i) => {
      const alg = i % 2 === 0 ? 'RS256' : 'PS256'
      const token = await new Promise<string>((resolve, reject) =>
        signer.sign({ alg, typ: 'logout+jwt' }, JSON.stringify({ ...claims, jti: `${i}` }), (it) => {
          made.push(`${i}`)
          if (it instanceof Error) reject(it)
          else resolve(it.toString())
        }),
      )
      expect((await verify(token)).payload.jti).toBe(`${i}`)
    })
    const atOnce = made.length
    expect(atOnce).toBeGreaterThan(0)
    expect(atOnce).toBeLessThan(20)
    await Promise.all(signing)
    expect(new Set(made).size).toBe(50)
    await new Promise((resolve) => setImmediate(resolve))
    signer.sign({ alg: 'RS256', typ: 'logout+jwt' }, '{}', () => made.push('later'))
    expect(made.at(-1)).toBe('later')
  })

  test('makes every signature at once where there is one core', () => {
    const alone = new LocalSigner(signingKeys, new RsaThreads(1))
    let signed = 0
    for (let i = 0; i < 5; i++) alone.sign({ alg: 'RS256', typ: 'logout+jwt' }, '{}', () => signed++)
    expect(signed).toBe(5)
  })
})
