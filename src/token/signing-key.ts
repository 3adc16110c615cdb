import { constants, type KeyObject, sign } from 'node:crypto'
import type { TokenAlgorithm } from '../events/registration.ts'
import { joseSignatureOfDer } from './ecdsa-signature.ts'

/** Of P-256 and of Ed25519. */
const EC_SIGNATURE_BYTES = 64

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

/** Called once, with an error or with the signature; by the elliptic curves before `sign` returns. */
type SignatureCallback = (error: Error | null, signature: Buffer) => void

/**
 * Makes the JWS signature over `input` (RFC 7518 §3.3–3.5, RFC 8037 §3.1). RSA takes the thread pool: a signature is
 * more than half of what a delivery costs, so a mass logout is as fast as there are cores, and the event loop is free
 * meanwhile. The others take less time than the way to another thread and back.
 */
export function signature(
  algorithm: TokenAlgorithm,
  key: KeyObject,
  input: Buffer,
  done: SignatureCallback,
): void {
  switch (algorithm) {
    case 'RS256':
      sign('sha256', input, key, done)
      return
    case 'PS256':
      sign(
        'sha256',
        input,
        { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST },
        done,
      )
      return
    case 'ES256':
      done(null, joseSignatureOfDer(sign('sha256', input, key)))
      return
    case 'EdDSA':
      done(null, sign(null, input, key))
      return
    default:
      algorithm satisfies never
  }
}

/** How long a signature of that key is in base64url, which is the same for all of them. */
export function signatureCharacters(algorithm: TokenAlgorithm, key: KeyObject): number {
  const isRsa = algorithm === 'RS256' || algorithm === 'PS256'
  const bytes = isRsa ? Math.ceil((key.asymmetricKeyDetails?.modulusLength ?? 0) / 8) : EC_SIGNATURE_BYTES
  return Math.ceil((bytes * 4) / 3)
}
