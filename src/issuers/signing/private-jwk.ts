import { generateKeyPair, type KeyObject } from 'node:crypto'
import { promisify } from 'node:util'
import type { TokenAlgorithm } from '../../events/registration.ts'
import { RelayFault } from '../../lib/errors.ts'
import { keyOfJwk } from './read-key.ts'
import type { SigningKey } from './signing-key.ts'

const generate = promisify(generateKeyPair)

/** A key with its JWK as it stands in a key file. Whoever has it shows `key.publicJwk` and nothing else. */
export interface PrivateJwk {
  readonly key: SigningKey
  /** With the private half. */
  readonly jwk: Readonly<Record<string, unknown>>
}

export interface JwkMembers {
  /** Default: the RFC 7638 thumbprint. */
  readonly kid?: string | undefined
  /** The only algorithm that it signs. Default: all that a key of its type can. */
  readonly alg?: TokenAlgorithm | undefined
  /** Seconds since the epoch. */
  readonly notBefore?: number | undefined
}

/** Makes a key; an RSA key with that many bits. */
export async function generateKey(algorithm: TokenAlgorithm, rsaBits: number): Promise<KeyObject> {
  switch (algorithm) {
    case 'RS256':
    case 'PS256':
      return (await generate('rsa', { modulusLength: rsaBits })).privateKey
    case 'ES256':
      return (await generate('ec', { namedCurve: 'P-256' })).privateKey
    case 'EdDSA':
    case 'Ed25519':
      return (await generate('ed25519')).privateKey
    default:
      return algorithm satisfies never
  }
}

/** Throws `LR_KEYS_INVALID` when a relay would not sign with it. */
export async function privateJwk(privateKey: KeyObject, members: JwkMembers): Promise<PrivateJwk> {
  const { kid, alg, notBefore } = members
  const exported = privateKey.export({ format: 'jwk' })
  const result = await keyOfJwk({
    ...exported,
    use: 'sig',
    ...(kid !== undefined && { kid }),
    ...(alg !== undefined && { alg }),
    ...(notBefore !== undefined && { notBefore }),
  })
  if (!('key' in result)) throw new RelayFault('LR_KEYS_INVALID', `the key cannot be used: ${result.reason}`)
  const { key } = result
  // What names the key stands first, where people look for it.
  const jwk = {
    kid: key.kid,
    use: 'sig',
    ...(alg !== undefined && { alg }),
    ...(notBefore !== undefined && { notBefore }),
    ...exported,
  }
  return { key, jwk }
}
