import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import type { TokenAlgorithm } from '../../../../src/events/registration.ts'

/** Generated once per test file: an RSA key takes longer than all the tests around it. */
export const rsaKey: KeyObject = generateKeyPairSync('rsa', { modulusLength: 2_048 }).privateKey

export function ecKey(namedCurve = 'P-256'): KeyObject {
  return generateKeyPairSync('ec', { namedCurve }).privateKey
}

export function ed25519Key(): KeyObject {
  return generateKeyPairSync('ed25519').privateKey
}

export function keyFor(algorithm: TokenAlgorithm): KeyObject {
  switch (algorithm) {
    case 'RS256':
    case 'PS256':
      return rsaKey
    case 'ES256':
      return ecKey()
    case 'EdDSA':
    case 'Ed25519':
      return ed25519Key()
    default:
      return algorithm satisfies never
  }
}

export function jwkOf(key: KeyObject, members: Record<string, unknown> = {}): Record<string, unknown> {
  return { ...key.export({ format: 'jwk' }), ...members }
}

export function pemOf(key: KeyObject, type: 'pkcs8' | 'pkcs1' | 'sec1' = 'pkcs8'): string {
  return key.export({ type, format: 'pem' } as { type: 'pkcs8'; format: 'pem' }).toString()
}

export function jwkSet(...keys: Record<string, unknown>[]): string {
  return JSON.stringify({ keys })
}
