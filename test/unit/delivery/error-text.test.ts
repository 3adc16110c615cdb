import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { errorText } from '../../../src/delivery/error-text.ts'
import { anyText } from '../../support/any-text.ts'

const TOKEN = 'eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJodHRwczovL29wIn0.c2lnbmF0dXJl-_x'

describe('error text', () => {
  test.each([
    ['HTTP 500', undefined, 'HTTP 500'],
    ['HTTP 500', '', 'HTTP 500'],
    ['HTTP 500', '  \r\n ', 'HTTP 500'],
    ['HTTP 500', 'out of order', 'HTTP 500: out of order'],
    ['HTTP 400', '{"error":"invalid_request"}', 'HTTP 400: invalid_request'],
    ['HTTP 400', '{"error":"e","error_description":"d"}', 'HTTP 400: e: d'],
    ['HTTP 400', '{"error":7}', 'HTTP 400: {"error":7}'],
    ['HTTP 400', '{"error":', 'HTTP 400: {"error":'],
    ['HTTP 400', 'a\r\nb\u0000c\u001b[31md', 'HTTP 400: a b c [31md'],
    ['ECONNREFUSED', 'ECONNREFUSED: 127.0.0.1', 'ECONNREFUSED: 127.0.0.1'],
  ])('%s with %j', (code, detail, text) => {
    expect(errorText(code, detail)).toBe(text)
  })

  test.each([
    TOKEN,
    `invalid token ${TOKEN}`,
    `<p>logout_token=${TOKEN}&amp;x</p>`,
    `{"error":"bad","error_description":"got ${TOKEN}"}`,
    `{"logout_token":"${TOKEN}"`,
    `${TOKEN.slice(0, 40)}`,
    `"${TOKEN}","${TOKEN}"`,
  ])('a token that the RP echoes is taken out: %s', (detail) => {
    const text = errorText('HTTP 400', detail)
    expect(text).toContain('[token]')
    for (const part of TOKEN.split('.')) expect(text).not.toContain(part.slice(3, 12))
  })

  test('is one bounded line without a token, whatever the RP says', () => {
    const piece = fc.oneof(
      anyText(),
      fc.constantFrom(TOKEN, '\n', '{"error":"', 'eyJ', '"}', 'x'.repeat(300)),
    )
    fc.assert(
      fc.property(fc.array(piece), (pieces) => {
        const text = errorText('HTTP 400', pieces.join(''))
        expect(text.length).toBeLessThanOrEqual(200)
        expect(text).not.toMatch(/\p{Cc}/u)
        expect(text).not.toContain('eyJ')
        expect(text.startsWith('HTTP 400')).toBe(true)
      }),
    )
  })
})
