import fc from 'fast-check'
import { expect, test } from 'vitest'
import { tokenAlgorithms } from '../../../../src/events/registration.ts'
import { chosenKey, keyStandings } from '../../../../src/issuers/signing/key-choice.ts'
import type { SigningKey } from '../../../../src/issuers/signing/signing-key.ts'

const NOW = 10
const time = fc.integer({ min: 0, max: 20 })
const keys = fc.array(
  fc
    .record({
      algorithms: fc.constantFrom(['RS256', 'PS256'], ['RS256'], ['ES256'], ['EdDSA', 'Ed25519']),
      alg: fc.constantFrom('RS256', 'EdDSA', 'Ed25519', undefined),
      notBeforeMs: time,
      lasts: fc.oneof(fc.constant(Number.POSITIVE_INFINITY), fc.integer({ min: 1, max: 12 })),
    })
    .map(({ algorithms, alg, notBeforeMs, lasts }) => ({
      algorithms,
      notBeforeMs,
      notAfterMs: notBeforeMs + lasts,
      publicJwk: { alg },
    })),
  { maxLength: 6 },
)

test('what is said of a key is what it does, at every time from now on', () => {
  fc.assert(
    fc.property(keys, (made) => {
      const file = made as unknown as SigningKey[]
      const signedAt = (key: SigningKey, ms: number) =>
        tokenAlgorithms.filter((it) => chosenKey(file, it, ms) === key)
      const times = Array.from({ length: 40 }, (_, i) => NOW + i)
      for (const { key, signs, algorithms, fromMs, untilMs } of keyStandings(file, NOW)) {
        const from = times.find((ms) => signedAt(key, ms).length > 0)
        expect(signs).toBe(from === undefined ? 'never' : from === NOW ? 'now' : 'later')
        if (from === undefined) continue
        expect(algorithms).toEqual(signedAt(key, from))
        expect(fromMs).toBe(from === NOW ? undefined : from)
        expect(untilMs).toBe(times.find((ms) => ms > from && signedAt(key, ms).length === 0))
      }
    }),
  )
})

test('where a key does not sign now, its rivals do; where it does, they could', () => {
  fc.assert(
    fc.property(keys, (made) => {
      const file = made as unknown as SigningKey[]
      for (const { key, signs, rivals } of keyStandings(file, NOW)) {
        const chosen = tokenAlgorithms.map((it) => chosenKey(file, it, NOW))
        expect(rivals).not.toContain(key)
        for (const rival of rivals) {
          if (signs === 'now') expect(rival.notBeforeMs).toBeLessThanOrEqual(NOW)
          else expect(chosen).toContain(rival)
        }
      }
    }),
  )
})
