import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { subjectClaims } from '../../../../src/events/registration.ts'
import {
  effectiveClaims,
  logoutTokenPayload,
  type TokenRequest,
} from '../../../../src/transports/backchannel-logout/claims.ts'
import { sampleRegistration } from '../../sample-registration.ts'

const NOW = 1_800_000_000_999

function payload(overrides: Partial<TokenRequest>): Record<string, unknown> {
  const request = {
    registration: sampleRegistration(),
    sessionRequired: undefined,
    lifetimeMs: 120_000,
    claims: 'both',
    late: false,
    ...overrides,
  } as const
  return JSON.parse(logoutTokenPayload(request, 'jti-1', NOW)) as Record<string, unknown>
}

describe('claims of a logout token', () => {
  test.each([
    ['both', undefined, false, 'both'],
    ['both', true, true, 'both'],
    ['sid', undefined, false, 'sid'],
    ['sid', true, false, 'sid'],
    ['sid', true, true, 'sid'],
    ['sub', undefined, false, 'sub'],
    ['sub', false, false, 'sub'],
    ['sub', true, false, 'both'],
    ['sub', undefined, true, 'both'],
    ['sub', false, true, 'both'],
    ['sub', true, true, 'both'],
  ] as const)('set to %s, session required %s, late %s: %s', (claims, sessionRequired, late, expected) => {
    expect(effectiveClaims({ sessionRequired, claims, late })).toBe(expected)
    const names = Object.keys(payload({ sessionRequired, claims, late })).filter((name) =>
      /^s(ub|id)$/.test(name),
    )
    expect(names).toEqual(expected === 'both' ? ['sub', 'sid'] : [expected])
  })

  test('there is always one of sub and sid, and `sub` never stands alone for an RP that needs the session', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...subjectClaims),
        fc.boolean(),
        fc.boolean(),
        (claims, sessionRequired, late) => {
          const found = payload({ sessionRequired, claims, late })
          expect('sub' in found || 'sid' in found).toBe(true)
          if (sessionRequired || late) expect('sid' in found).toBe(true)
        },
      ),
    )
  })

  test('says what the registration says, character for character', () => {
    const text = fc.string({ unit: 'grapheme', minLength: 1 })
    fc.assert(
      fc.property(text, text, text, text, (issuer, clientId, sub, sid) => {
        const found = payload({ registration: { issuer, clientId, sub, sid } })
        expect(found).toEqual({
          iss: issuer,
          aud: clientId,
          iat: 1_800_000_000,
          exp: 1_800_000_120,
          jti: 'jti-1',
          events: { 'http://schemas.openid.net/event/backchannel-logout': {} },
          sub,
          sid,
        })
      }),
    )
  })
})
