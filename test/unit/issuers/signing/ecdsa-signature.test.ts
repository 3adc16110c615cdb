import { createPublicKey, sign, verify } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { joseSignatureOfDer } from '../../../../src/issuers/signing/ecdsa-signature.ts'
import { ecKey } from './key-material.ts'

/** A DER INTEGER: minimal, with a zero before a first byte that would read as negative. */
function derInteger(value: bigint): Buffer {
  const hex = value.toString(16)
  const bytes = Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex')
  const content = (bytes[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.of(0), bytes]) : bytes
  return Buffer.concat([Buffer.of(0x02, content.length), content])
}

function der(r: bigint, s: bigint): Buffer {
  const content = Buffer.concat([derInteger(r), derInteger(s)])
  return Buffer.concat([Buffer.of(0x30, content.length), content])
}

function coordinate(value: bigint): string {
  return value.toString(16).padStart(64, '0')
}

const top = 2n ** 256n - 1n

describe('ECDSA signature for JWS', () => {
  test('both numbers stand in 32 bytes each, however long they are', () => {
    const number = fc.oneof(
      fc.bigInt({ min: 1n, max: top }),
      // A number with few bytes is as good as never drawn otherwise, nor met in a test with real signatures.
      fc.integer({ min: 0, max: 256 }).chain((bits) => fc.bigInt({ min: 0n, max: 2n ** BigInt(bits) - 1n })),
    )
    fc.assert(
      fc.property(number, number, (r, s) => {
        expect(joseSignatureOfDer(der(r, s)).toString('hex')).toBe(coordinate(r) + coordinate(s))
      }),
      { numRuns: 1_000 },
    )
  })

  test.each([
    [0n, 0n],
    [1n, top],
    [top, 1n],
    [0x7fn, 0x80n],
    [2n ** 255n, 2n ** 255n - 1n],
    [2n ** 248n - 1n, 2n ** 247n],
  ])('the edges: %i and %i', (r, s) => {
    expect(joseSignatureOfDer(der(r, s)).toString('hex')).toBe(coordinate(r) + coordinate(s))
  })

  test('what node:crypto signs in DER, it verifies in the other form', () => {
    const key = ecKey()
    const publicKey = createPublicKey(key)
    // So many that integers of 31 to 33 bytes all occur.
    for (let n = 0; n < 400; n++) {
      const input = Buffer.from(`input ${n}`)
      const signature = joseSignatureOfDer(sign('sha256', input, key))
      expect(signature).toHaveLength(64)
      expect(verify('sha256', input, { key: publicKey, dsaEncoding: 'ieee-p1363' }, signature)).toBe(true)
    }
  })
})
