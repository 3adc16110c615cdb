import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { endpointProblem, logoutEndpoint } from '../../../src/events/logout-endpoint.ts'

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
      fc.property(
        fc.oneof(fc.string(), fc.webUrl({ withFragments: true, withQueryParameters: true })),
        (uri) => {
          if (endpointProblem(uri) !== undefined) return
          const { origin, path } = logoutEndpoint(uri)
          expect(origin).toMatch(/^https?:\/\/[^/]+$/)
          expect(path).toMatch(/^\/[^\s#]*$/)
        },
      ),
    )
  })
})
