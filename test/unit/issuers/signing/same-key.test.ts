import { createPrivateKey } from 'node:crypto'
import { expect, test } from 'vitest'
import { isSameKey } from '../../../../src/issuers/signing/same-key.ts'
import { ecKey, ed25519Key, jwkOf, pemOf, rsaKey } from './key-material.ts'

test('a key is the same by what it is', () => {
  const [ec, other, ed] = [ecKey(), ecKey(), ed25519Key()]
  expect(isSameKey(jwkOf(ec), ec)).toBe(true)
  expect(isSameKey({ ...jwkOf(ec), kid: 'another', use: 'enc' }, ec)).toBe(true)
  expect(isSameKey(jwkOf(other), ec)).toBe(false)
  expect(isSameKey(jwkOf(ed), ec)).toBe(false)
  expect(isSameKey({ kty: 'EC' }, ec)).toBe(false)
})

test('a key file can be read after a key was compared with one of another type', () => {
  expect(isSameKey(jwkOf(ecKey()), rsaKey)).toBe(false)
  expect(createPrivateKey(pemOf(rsaKey)).asymmetricKeyType).toBe('rsa')
})
