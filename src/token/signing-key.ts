import { constants, type KeyObject, sign } from 'node:crypto'
import type { TokenAlgorithm } from '../events/registration.ts'
import { joseSignatureOfDer } from './ecdsa-signature.ts'

/** A private key with its public form. The private half never leaves the object but through `signature`. */
export interface SigningKey {
  readonly kid: string
  /** The algorithms that the key may sign with: one, or both RSA ones where the key names none. */
  readonly algorithms: readonly TokenAlgorithm[]
  /** The key signs from then on; published before. Milliseconds since the epoch, 0 = always. */
  readonly notBeforeMs: number
  readonly privateKey: KeyObject
  /** The public JWK, as `/jwks.json` shows it. */
  readonly publicJwk: Readonly<Record<string, unknown>>
}

/**
 * The JWS signature over `input` (RFC 7518 §3.3–3.5, RFC 8037 §3.1). Synchronous on purpose: per CPU-second it beats the thread
 * pool for every algorithm here, and the longest of them holds the event loop for under half a millisecond.
 */
export function signature(algorithm: TokenAlgorithm, key: KeyObject, input: Buffer): string {
  switch (algorithm) {
    case 'RS256':
      return sign('sha256', input, key).toString('base64url')
    case 'PS256':
      return sign('sha256', input, {
        key,
        padding: constants.RSA_PKCS1_PSS_PADDING,
        saltLength: constants.RSA_PSS_SALTLEN_DIGEST,
      }).toString('base64url')
    case 'ES256':
      return joseSignatureOfDer(sign('sha256', input, key)).toString('base64url')
    case 'EdDSA':
      return sign(null, input, key).toString('base64url')
    default:
      return algorithm satisfies never
  }
}
