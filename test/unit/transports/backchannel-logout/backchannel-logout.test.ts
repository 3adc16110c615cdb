import { decodeJwt, decodeProtectedHeader } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { LocalSigner } from '../../../../src/issuers/signing/local-signer.ts'
import { RsaThreads } from '../../../../src/issuers/signing/rsa-threads.ts'
import { SigningKeys } from '../../../../src/issuers/signing/signing-keys.ts'
import { BackchannelLogout } from '../../../../src/transports/backchannel-logout/backchannel-logout.ts'
import type { DeliveryContent } from '../../../../src/transports/transport.ts'
import { KeyFileOnDisk } from '../../issuers/signing/key-file-on-disk.ts'
import { jwkOf, jwkSet, keyFor } from '../../issuers/signing/key-material.ts'
import { manualClock } from '../../manual-clock.ts'
import { ISSUER, sampleRegistration } from '../../sample-registration.ts'
import { preparedBy, testTransport } from '../transport-contract.ts'

const LATE_AFTER_MS = 3_600_000
const clock = manualClock()
const jwks = (['RS256', 'ES256', 'EdDSA'] as const).map((alg) => jwkOf(keyFor(alg), { alg }))
const file = new KeyFileOnDisk(jwkSet(...jwks))
const keys = new SigningKeys(file.path, clock)
const signer = new LocalSigner(keys, new RsaThreads(1))
const transport = new BackchannelLogout({
  clients: { tokenType: ({ rp }) => (rp.settings.typ === 'JWT' ? 'JWT' : 'logout+jwt') },
  issuers: {
    get: (issuer) => (issuer === ISSUER ? { signer, alg: 'RS256', tokenLifetimeMs: 120_000 } : undefined),
  },
  lateAfterMs: LATE_AFTER_MS,
})

beforeAll(() => keys.load())
afterAll(() => file[Symbol.dispose]())

function content(
  registration: Partial<DeliveryContent['registration']> = {},
  settings: DeliveryContent['rp']['settings'] = {},
  rest: Partial<DeliveryContent> = {},
): DeliveryContent {
  return {
    rp: { issuer: ISSUER, clientId: 'client-1', settings },
    registration: sampleRegistration(registration),
    coalesced: [],
    cause: { occurredAtMs: clock.now() },
    ...rest,
  }
}

const tokenIn = (body: Buffer) => new URLSearchParams(body.toString()).get('logout_token') ?? ''

function prepare(delivery: DeliveryContent) {
  const prepared = preparedBy(transport, delivery, clock.now())
  if (prepared.kind !== 'request') throw new Error(prepared.message)
  const token = tokenIn(prepared.body)
  return { ...prepared, token, header: decodeProtectedHeader(token), payload: decodeJwt(token) }
}

testTransport('backchannel-logout', async () => ({
  transport,
  tokenIn,
  delivery: content(),
  impossible: content({ alg: 'PS256' }, {}),
  secrets: jwks.map(({ d }) => String(d)),
  repetition: 'has a fresh jti',
}))

describe('a back-channel logout', () => {
  test('is a form with the token alone', () => {
    const { body, headers, token } = prepare(content())
    expect(headers.slice(0, 2)).toEqual(['content-type', 'application/x-www-form-urlencoded'])
    expect(body.toString()).toBe(`logout_token=${token}`)
  })

  test('carries what OIDC BCL 1.0 §2.4 asks for, from the moment of the attempt, and no nonce', () => {
    const { header, payload, jti } = prepare(content())
    expect(header).toMatchObject({ alg: 'RS256', typ: 'logout+jwt' })
    const iat = Math.floor(clock.now() / 1_000)
    expect(payload).toEqual({
      iss: ISSUER,
      aud: 'client-1',
      iat,
      exp: iat + 120,
      jti,
      events: { 'http://schemas.openid.net/event/backchannel-logout': {} },
      sub: 'user-1',
      sid: 'session-1',
    })
  })

  test('follows the registration, and the RP’s settings above it', () => {
    const wishes = { alg: 'ES256', claims: 'sid' } as const
    const own = prepare(content(wishes))
    expect([own.header.alg, own.payload.sub, own.payload.sid]).toEqual(['ES256', undefined, 'session-1'])
    const set = prepare(content(wishes, { alg: 'EdDSA', claims: 'both', typ: 'JWT' }))
    expect([set.header.alg, set.header.typ, set.payload.sub, set.payload.sid]).toEqual([
      ...['EdDSA', 'JWT', 'user-1', 'session-1'],
    ])
  })

  test('names the session when it is late, unless it tells of several', () => {
    const settings = { claims: 'sub' } as const
    const at = (agoMs: number, coalesced: DeliveryContent['coalesced'] = []) =>
      'sid' in
      prepare(content({}, settings, { cause: { occurredAtMs: clock.now() - agoMs }, coalesced })).payload
    expect([at(LATE_AFTER_MS), at(LATE_AFTER_MS + 1)]).toEqual([false, true])
    expect(at(LATE_AFTER_MS + 1, [sampleRegistration({ oidcSessionId: 'b' })])).toBe(false)
  })

  test.each([
    ['an issuer that is not served', { issuer: 'https://other.example' }, 'https://other.example'],
    ['an algorithm without a key', { alg: 'PS256' }, 'PS256'],
  ] as const)('cannot be made for %s, which it names', (_, registration, named) => {
    expect(preparedBy(transport, content(registration), clock.now())).toEqual({
      kind: 'invalid',
      message: expect.stringContaining(named),
    })
  })
})
