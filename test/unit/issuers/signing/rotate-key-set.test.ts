import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readKeyFile } from '../../../../src/issuers/signing/key-file.ts'
import { rotatedKeySet } from '../../../../src/issuers/signing/rotate-key-set.ts'
import { ecKey, jwkOf, jwkSet, pemOf, rsaKey } from './key-material.ts'

const old = jwkOf(ecKey(), { kid: 'old' })
const further = jwkOf(ecKey(), { kid: 'new', notBefore: 1_900_000_000 })
const rotated = async (text: string, notAfter?: number) => {
  const content = Buffer.from(text)
  const { keys } = await readKeyFile(content)
  return JSON.parse(await rotatedKeySet(content, { jwk: further, ending: keys, notAfter }))
}

describe('a rotated key set', () => {
  test('keeps what stood in it, in its order, whatever it is', async () => {
    const name = fc.constantFrom('note', 'x5c', '__proto__', 'notAfter2', 'ä')
    const members = fc.dictionary(name, fc.jsonValue(), { noNullPrototype: true })
    await fc.assert(
      fc.asyncProperty(members, members, fc.nat(2), async (ofSet, ofKey, place) => {
        const others = [{ kty: 'oct', k: 'AA', kid: 'symmetric' }, jwkOf(ecKey('P-384'))]
        const keys = others.toSpliced(place, 0, { ...old, ...ofKey })
        const set = { ...ofSet, keys, last: 1 }
        expect(await rotated(JSON.stringify(set))).toEqual(
          JSON.parse(JSON.stringify({ ...set, keys: [...keys, further] })),
        )
      }),
      { numRuns: 30 },
    )
  })

  test.each([
    ['one JWK', JSON.stringify(old), { keys: [old, further] }],
    ['a list', JSON.stringify([old]), [old, further]],
    ['a set behind a byte order mark', `\uFEFF${jwkSet(old)}`, { keys: [old, further] }],
  ])('may have been %s', async (_, text, expected) => {
    expect(await rotated(text)).toEqual(expected)
  })

  test('ends what it replaces, unless that ends before', async () => {
    const late = jwkOf(ecKey(), { kid: 'late', notAfter: '2026-01-01' })
    const unnamed = jwkOf(ecKey())
    const { keys } = await rotated(jwkSet(old, late, unnamed), 1_900_003_600)
    const ends = keys.map(({ notAfter }: { notAfter?: unknown }) => notAfter)
    expect(ends).toEqual([1_900_003_600, '2026-01-01', 1_900_003_600, undefined])
  })

  test.each([
    ['PEM', pemOf(rsaKey), /from-pem/],
    ['a key of the same name', jwkSet({ ...old, kid: 'new' }), /same kid/],
  ])('is not made of %s', async (_, text, message) => {
    await expect(rotated(text)).rejects.toMatchObject({
      code: 'LR_KEYS_INVALID',
      message: expect.stringMatching(message),
    })
  })
})
