import { describe, expect, test } from 'vitest'
import { checkClock, checkIssuerNamed, checkLogoutSupport, contentOf } from '../../../src/diagnosis/issuer.ts'
import type { DocumentAnswer } from '../../../src/egress/fetch-document.ts'
import { discoveryUri, jwksUriIn } from '../../../src/issuers/discovery-uri.ts'

const NOW_MS = Date.parse('2026-01-31T12:00:00.500Z')
const answered = (
  overrides: Partial<Extract<DocumentAnswer, { kind: 'answered' }>> = {},
): DocumentAnswer => ({
  kind: 'answered',
  status: 200,
  text: '{}',
  sentAtMs: NOW_MS,
  answeredAtMs: NOW_MS,
  ...overrides,
})

test.each([
  ['https://op.example', 'https://op.example/.well-known/openid-configuration'],
  ['https://op.example/', 'https://op.example/.well-known/openid-configuration'],
  ['https://op.example/realms/a', 'https://op.example/realms/a/.well-known/openid-configuration'],
])('the metadata of %s are at %s', (issuer, uri) => {
  expect(discoveryUri(issuer)).toBe(uri)
})

describe('a document', () => {
  const found = (answer: DocumentAnswer) => {
    const content = contentOf('https://op.example/x?token=abc', answer)
    return content.kind === 'unusable' ? content.found : undefined
  }

  test('that is a JSON object is read', () => {
    expect(contentOf('https://op.example', answered({ text: '{"a":1}' }))).toEqual({
      kind: 'read',
      content: { a: 1 },
    })
  })

  test.each([
    { name: 'no JSON', answer: answered({ text: '<html>' }), says: 'not a JSON object' },
    { name: 'a list', answer: answered({ text: '[]' }), says: 'not a JSON object' },
    { name: 'null', answer: answered({ text: 'null' }), says: 'not a JSON object' },
    { name: 'a redirect', answer: answered({ status: 302 }), says: 'it redirects (302)' },
    { name: 'not found', answer: answered({ status: 404 }), says: 'the answer is 404' },
    {
      name: 'no answer',
      answer: { kind: 'unreachable', code: 'ECONNREFUSED', message: '' } as const,
      says: 'nothing listens there',
    },
    {
      name: 'no trust',
      answer: { kind: 'unreachable', code: 'CERT_HAS_EXPIRED', message: '' } as const,
      says: 'its certificate has expired',
    },
  ])('$name is an error', ({ answer, says }) => {
    expect(found(answer)).toMatchObject({ severity: 'error', text: expect.stringContaining(says) })
    expect(found(answer)?.text).not.toContain('abc')
  })
})

describe('the metadata', () => {
  test.each([
    { published: 'https://op.example', is: 'ok' },
    { published: 'https://op.example/', is: 'error' },
    { published: 'https://OP.example', is: 'error' },
    { published: undefined, is: 'error' },
    { published: 7, is: 'error' },
  ])('with issuer $published: $is', ({ published, is }) => {
    expect(checkIssuerNamed('https://op.example', { issuer: published }).severity).toBe(is)
  })

  test.each([
    {
      metadata: { backchannel_logout_supported: true, backchannel_logout_session_supported: true },
      is: 'ok',
    },
    { metadata: { backchannel_logout_supported: true }, is: 'hint' },
    { metadata: { backchannel_logout_supported: false }, is: 'warning' },
    { metadata: {}, is: 'warning' },
  ])('$metadata: $is', ({ metadata, is }) => {
    expect(checkLogoutSupport(metadata).severity).toBe(is)
  })

  test.each([
    ['https://op.example/jwks', 'https://op.example/jwks'],
    ['file:///etc/passwd', undefined],
    ['/jwks', undefined],
    [undefined, undefined],
  ])('jwks_uri %s: %s', (uri, usable) => {
    expect(jwksUriIn({ jwks_uri: uri })).toBe(usable)
  })
})

describe('the clock', () => {
  const at = (issuerTime: string, more = {}) =>
    checkClock(answered({ date: new Date(issuerTime).toUTCString(), ...more }))

  test.each([
    { issuerTime: '2026-01-31T12:00:00Z', is: 'ok', says: 'agree' },
    { issuerTime: '2026-01-31T11:59:55Z', is: 'ok', says: 'agree' },
    { issuerTime: '2026-01-31T12:00:05Z', is: 'ok', says: 'agree' },
    { issuerTime: '2026-01-31T11:59:54Z', is: 'warning', says: '6 seconds ahead of' },
    { issuerTime: '2026-01-31T12:00:06Z', is: 'warning', says: '6 seconds behind' },
    { issuerTime: '2026-01-31T12:01:00Z', is: 'warning', says: '1 minute behind' },
    { issuerTime: '2026-01-31T12:01:01Z', is: 'error', says: 'the tokens expire' },
    { issuerTime: '2026-01-31T11:58:30Z', is: 'error', says: '1 minute 30 seconds ahead of' },
  ])('the issuer says $issuerTime: $is', ({ issuerTime, is, says }) => {
    const { severity, text } = at(issuerTime)
    expect(text).toContain(says)
    expect(severity).toBe(is)
  })

  test('a slow answer is no skew, and neither is the age of a cached one', () => {
    expect(at('2026-01-31T12:00:09Z', { answeredAtMs: NOW_MS + 9_000 }).severity).toBe('ok')
    expect(at('2026-01-31T11:00:00Z', { age: '3600' }).severity).toBe('ok')
  })

  test('without a date, or without an answer, nothing is said of it', () => {
    expect(checkClock(answered()).severity).toBe('hint')
    expect(checkClock({ kind: 'unreachable', code: 'X', message: '' }).severity).toBe('unknown')
  })
})
