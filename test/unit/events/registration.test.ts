import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readPlainRegistration } from '../../../src/events/plain-registration.ts'
import { readRegistration } from '../../../src/events/read-registration.ts'
import { tokenAlgorithms, writeRegistration } from '../../../src/events/registration.ts'
import { anyText } from '../../support/any-text.ts'
import { ISSUER, sampleRegistration } from '../sample-registration.ts'

const { registeredAtMs, ...fields } = sampleRegistration()
const plain = { ...fields, registeredAt: registeredAtMs }

/** Values for a field: plain, odd but valid, and invalid. */
const anyValue = fc.oneof(
  fc.string({ unit: 'grapheme-ascii', minLength: 1 }),
  anyText(),
  fc.constantFrom<unknown[]>(
    '',
    'x'.repeat(1_024),
    'x'.repeat(1_025),
    ' ',
    '~',
    '\u007f',
    'é',
    null,
    undefined,
    7,
    -1,
    1.5,
    2 ** 60,
    {},
    [],
  ),
  fc.constantFrom<unknown[]>(
    'https://rp.example/l?x=1',
    'http://rp.example',
    'https://rp.example/#f',
    'ftp://x',
    '/l',
    '2027-01-15T08:00:00Z',
  ),
  fc.constantFrom<unknown[]>(...tokenAlgorithms, 'none', 'HS256', true, false, 'yes'),
  fc.constantFrom<unknown[]>(
    '2027-01-15T08:00:00.123456789Z',
    '1960-01-01T00:00:00Z',
    '2027-13-15T08:00:00Z',
    '2027-02-31T08:00:00Z',
    '2027-01-15T24:00:00Z',
    '2027-01-15',
    '2027-01-15T08:00:00+02:00',
  ),
)

describe('registration', () => {
  test('the short way reads what the schema reads, and nothing that the schema refuses', () => {
    const changes = fc.dictionary(
      fc.constantFrom(...Object.keys(plain), 'alg', 'typ', 'claims', 'sessionRequired'),
      anyValue,
      { maxKeys: 3 },
    )
    fc.assert(
      fc.property(changes, (changed) => {
        const data = { ...plain, ...changed }
        const short = readPlainRegistration(data)
        if (short === undefined) return
        // An unknown field makes the reader fall back to the schema.
        expect(readRegistration({ ...data, unknownField: 1 }, 'https://assumed.example')).toEqual({
          kind: 'registration',
          registration: short,
        })
      }),
      { numRuns: 1_000 },
    )
  })

  test('the short way is taken by what nearly all look like', () => {
    expect(readPlainRegistration(plain)).toEqual(sampleRegistration())
    const { sub, sid, registeredAt, ...least } = plain
    const { registeredAtMs: _, ...expected } = sampleRegistration()
    expect(readPlainRegistration(least)).toEqual(expected)
    for (const alg of tokenAlgorithms) expect(readPlainRegistration({ ...plain, alg })).toMatchObject({ alg })
  })

  test('what is written is read back', () => {
    const id = fc
      .string({ unit: 'grapheme', minLength: 1, maxLength: 50 })
      .filter((text) => !/[\p{Cc}\p{Zl}\p{Zp}]/u.test(text))
    const arbitrary = fc.record(
      {
        issuer: id,
        sessionId: id,
        oidcSessionId: id,
        clientId: id,
        userId: id,
        sub: id,
        sid: id,
        backchannelLogoutUri: fc.constantFrom('https://rp.example/l?x=1', 'https://rp.example:8443'),
        sessionRequired: fc.boolean(),
        alg: fc.constantFrom(...tokenAlgorithms),
        typ: fc.constantFrom('JWT', 'logout+jwt'),
        claims: fc.constantFrom('both' as const, 'sub' as const, 'sid' as const),
        registeredAtMs: fc.nat(),
      },
      {
        requiredKeys: ['issuer', 'sessionId', 'oidcSessionId', 'clientId', 'userId', 'sub', 'sid'],
      },
    )
    fc.assert(
      fc.property(arbitrary, (registration) => {
        const json: unknown = JSON.parse(writeRegistration(registration))
        expect(readRegistration(json, 'https://assumed.example')).toEqual({
          kind: 'registration',
          registration,
        })
      }),
    )
  })

  test('an invalid one still tells whose it is', () => {
    const result = readRegistration({ ...plain, backchannelLogoutUri: '/relative', sub: 7 }, ISSUER)
    expect(result).toMatchObject({
      kind: 'invalid',
      partial: {
        clientId: 'client-1',
        userId: 'user-1',
        sid: 'session-1',
        backchannelLogoutUri: '/relative',
      },
    })
    expect(result).not.toHaveProperty('partial.sub')
    for (const data of [null, undefined, 7, 'x', []]) {
      expect(readRegistration(data, ISSUER)).toMatchObject({ kind: 'invalid', partial: {} })
    }
  })
})
