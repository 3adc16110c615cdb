import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { endpointProblem, logoutEndpoint } from '../../../src/events/logout-endpoint.ts'

const uriCharacters = (more: string) =>
  fc.string({ unit: fc.constantFrom(...`abcXYZ019-._~!$&()*+,;=:@%20é${more}`) })

/** Valid and invalid URIs, with user names, ports out of range and fragments. */
const webUri = fc
  .record({
    scheme: fc.constantFrom('https', 'http', 'HTTPS', 'https', 'ftp'),
    user: fc.constantFrom('', '', '', '', 'user@', 'user:word@'),
    host: fc.oneof(
      fc.domain(),
      fc.ipV4Extended(),
      fc.ipV6().map((address) => `[${address}]`),
    ),
    port: fc.option(fc.nat(70_000)),
    path: fc.option(uriCharacters('/')),
    query: fc.option(uriCharacters('/?')),
    fragment: fc.constantFrom('', '', '', '', '#', '#part'),
  })
  .map(({ scheme, user, host, port, path, query, fragment }) => {
    const given = (before: string, value: string | number | null) =>
      value === null ? '' : `${before}${value}`
    return `${scheme}://${user}${host}${given(':', port)}${given('/', path)}${given('?', query)}${fragment}`
  })

describe('logout endpoint', () => {
  test.each([
    ['https://rp.example', 'https://rp.example', '/'],
    ['https://rp.example/logout', 'https://rp.example', '/logout'],
    ['https://rp.example:8443/a/b?tenant=1&x=%20y', 'https://rp.example:8443', '/a/b?tenant=1&x=%20y'],
    ['https://rp.example?tenant=1', 'https://rp.example', '/?tenant=1'],
    ['HTTPS://RP.Example:443/L?q=a/b@c', 'https://rp.example', '/L?q=a/b@c'],
    ['http://rp.example/', 'http://rp.example', '/'],
    ['https://bücher.example/ü', 'https://xn--bcher-kva.example', '/%C3%BC'],
    ['https://[2606:4700::1111]:444/x', 'https://[2606:4700::1111]:444', '/x'],
    ['https://rp.example/@here', 'https://rp.example', '/@here'],
  ])('%s', (uri, origin, path) => {
    expect(endpointProblem(uri)).toBeUndefined()
    expect(logoutEndpoint(uri)).toEqual({ origin, path })
  })

  test('every query is kept as it is', () => {
    const query = fc.string({
      unit: fc.constantFrom(...'abcXYZ019-._~!$&()*+,;=:@/?%20'.split('')),
      minLength: 1,
    })
    fc.assert(
      fc.property(query, (text) => {
        const uri = `https://rp.example/logout?${text}`
        expect(endpointProblem(uri)).toBeUndefined()
        expect(logoutEndpoint(uri).path).toBe(`/logout?${text}`)
      }),
    )
  })

  test('any text is either refused or can be taken apart', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), webUri), (uri) => {
        if (endpointProblem(uri) !== undefined) return
        const { origin, path } = logoutEndpoint(uri)
        expect(origin).toMatch(/^https?:\/\/[^/]+$/)
        expect(path).toMatch(/^\/[^\s#]*$/)
      }),
    )
  })
})
