import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { sampleRegistration } from '../../sample-registration.ts'
import { decodeOne, formats, wireRecord } from '../wire-records.ts'

const decode = (record: ReturnType<typeof wireRecord>) => decodeOne(record, Date.now())

describe('bytes that are poison', () => {
  const bytes: [string, Buffer][] = [
    ['not JSON', Buffer.from('hello')],
    ['cut JSON', Buffer.from('{"type":"session-terminated","sessionId":"s"')],
    ['an array', Buffer.from('[{"type":"session-terminated","sessionId":"s"}]')],
    ['a number', Buffer.from('7')],
    ['null', Buffer.from('null')],
    ['a string', Buffer.from('"session-terminated"')],
    [
      'Avro in the framing of a schema registry',
      Buffer.concat([Buffer.of(0, 0, 0, 0, 1), Buffer.from('\u0006s-1')]),
    ],
    [
      'invalid UTF-8',
      Buffer.concat([
        Buffer.from('{"type":"session-terminated","sessionId":"'),
        Buffer.of(0xff),
        Buffer.from('"}'),
      ]),
    ],
    ['UTF-16', Buffer.from('{"sessionId":"s"}', 'utf16le')],
    [
      '5 MB',
      Buffer.from(JSON.stringify({ type: 'session-terminated', sessionId: 's', pad: 'x'.repeat(5_000_000) })),
    ],
    ['a deep nest', Buffer.from('['.repeat(200_000))],
    ['only white space', Buffer.from('  \n')],
  ]

  test.each(bytes)('%s, in every format', (_, value) => {
    for (const headers of [
      {},
      { ce_type: 'session-terminated' },
      { 'content-type': 'application/cloudevents+json' },
    ]) {
      expect(decode(wireRecord(value, headers)).kind).toBe('poison')
    }
  })

  test('what has no type, or one that is no text', () => {
    for (const type of [undefined, null, '', 7, {}]) {
      expect(decode(wireRecord({ type, sessionId: 's' })).kind).toBe('poison')
    }
  })

  test('an empty value is a tombstone, whatever its headers', () => {
    for (const value of [null, Buffer.alloc(0)]) {
      for (const headers of [
        {},
        { ce_type: 'session-terminated' },
        { 'content-type': 'application/cloudevents+json' },
      ]) {
        expect(decode(wireRecord(value, headers))).toEqual({ kind: 'skipped', reason: 'empty' })
      }
    }
  })
})

/** Values that are invalid as ids. */
const wrongIds: unknown[] = [
  '',
  7,
  true,
  {},
  [],
  'a\nb',
  'a\u0000b',
  'a\u007f',
  'a\u0085',
  'a\u2028b',
  'a\u2029',
  'x'.repeat(1_025),
]

const registrationData = (overrides: Record<string, unknown>) => ({
  ...sampleRegistration(),
  registeredAtMs: undefined,
  ...overrides,
})

const wrongUris: unknown[] = [
  7,
  '/logout',
  'rp.example/logout',
  '//rp.example/logout',
  'https:rp.example',
  'https:///logout',
  'https://rp.example/logout#now',
  'https://rp.example/logout#',
  'https://user@rp.example/',
  'https://user:secret@rp.example/',
  'https://@rp.example/',
  'ftp://rp.example/',
  'javascript:alert(1)',
  'file:///etc/passwd',
  'https://rp.example/a b',
  'https://rp.example\\@evil.example/',
  'https://rp.example/\r\nHost: evil',
  ' https://rp.example/',
  'https://rp.example:99999/',
  'https://[::1/',
  `https://rp.example/${'x'.repeat(2_048)}`,
]

describe.each(Object.entries(formats))('data that is poison, as %s', (_, write) => {
  const reasonOf = (type: string, data: Record<string, unknown>) => {
    const result = decode(write(type, data))
    return result.kind === 'poison' && result.type === type ? result.reason : `no poison: ${result.kind}`
  }

  test.each([...wrongIds, undefined, null])('a required id that is %j', (id) => {
    expect(reasonOf('session-terminated', { sessionId: id })).toMatch(/^sessionId: /)
    expect(reasonOf('user-signed-out', { userId: id })).toMatch(/^userId: /)
    for (const name of ['sessionId', 'oidcSessionId', 'clientId', 'userId']) {
      expect(reasonOf('backchannel-logout-registered', registrationData({ [name]: id }))).toMatch(`${name}: `)
    }
  })

  test.each(wrongIds.filter((id) => id !== ''))('an optional id that is %j', (id) => {
    expect(reasonOf('session-terminated', { sessionId: 's', userId: id })).toMatch(/^userId: /)
    expect(reasonOf('session-terminated', { sessionId: 's', issuer: id })).toMatch(/^issuer: /)
    expect(reasonOf('user-signed-out', { userId: 'u', sessionId: id })).toMatch(/^sessionId: /)
    for (const name of ['issuer', 'sub', 'sid']) {
      expect(reasonOf('backchannel-logout-registered', registrationData({ [name]: id }))).toMatch(`${name}: `)
    }
  })

  test('half of a surrogate pair in an id, which would be the same id as any other half', () => {
    expect(reasonOf('session-terminated', { sessionId: 's\ud800' })).toMatch(/^sessionId: /)
  })

  test.each(wrongUris)('the back-channel logout URI %j', (uri) => {
    const data = registrationData({ backchannelLogoutUri: uri })
    expect(reasonOf('backchannel-logout-registered', data)).toMatch(/^backchannelLogoutUri: /)
  })

  test.each([
    { alg: 'none' },
    { alg: 'HS256' },
    { claims: 'neither' },
    { sessionRequired: 'yes' },
    { registeredAt: 'yesterday' },
  ])('a registration with %j', (wrong) => {
    expect(reasonOf('backchannel-logout-registered', registrationData(wrong))).toMatch(
      `${Object.keys(wrong)[0]}: `,
    )
  })

  test.each(['at+jwt', '', null, 7, { a: 1 }, 'x'.repeat(100)])(
    'not one that asks for the type %j',
    (typ) => {
      expect(decode(write('backchannel-logout-registered', registrationData({ typ }))).kind).toBe(
        'registration',
      )
    },
  )

  test('every wrong field is named, and no value is quoted', () => {
    const wrong = {
      sessionId: { a: 'SECRET' },
      clientId: 'SECRET\n',
      alg: 'SECRET',
      backchannelLogoutUri: 'SECRET',
      registeredAt: 'SECRET',
    }
    const reason = reasonOf('backchannel-logout-registered', registrationData(wrong))
    for (const name of Object.keys(wrong)) expect(reason).toContain(`${name}: `)
    expect(reason).not.toContain('SECRET')
  })
})

describe('no input makes the decoder throw', () => {
  const headers = fc.dictionary(
    fc.constantFrom('ce_type', 'ce_id', 'ce_time', 'content-type', 'traceparent', '__proto__'),
    fc.oneof(
      fc.constantFrom(
        'session-terminated',
        'user-signed-out',
        'backchannel-logout-registered',
        'application/cloudevents+json',
      ),
      fc.string(),
      fc.uint8Array().map((bytes) => Buffer.from(bytes)),
      fc.constant([] as string[]),
    ),
  )
  const kinds = ['trigger', 'registration', 'skipped', 'poison']

  test('any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), headers, (bytes, some) => {
        expect(kinds).toContain(decode(wireRecord(Buffer.from(bytes), some)).kind)
      }),
      { numRuns: 200 },
    )
  })

  test('any JSON, also under the names that are looked at', () => {
    const names = fc.constantFrom(
      'type',
      'data',
      'data_base64',
      'id',
      'time',
      'sessionId',
      'userId',
      '__proto__',
      'constructor',
    )
    const value = fc.oneof(
      fc.jsonValue({ maxDepth: 2 }),
      fc.constantFrom('session-terminated', 'user-signed-out', 'backchannel-logout-registered'),
    )
    fc.assert(
      fc.property(fc.dictionary(names, value), headers, (json, some) => {
        expect(kinds).toContain(decode(wireRecord(json, some)).kind)
      }),
      { numRuns: 200 },
    )
  })
})
