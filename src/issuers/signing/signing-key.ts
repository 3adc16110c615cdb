import { constants, type KeyObject, type SignKeyObjectInput, sign, verify } from 'node:crypto'
import type { TokenAlgorithm } from '../../events/registration.ts'
import { joseSignatureOfDer } from './ecdsa-signature.ts'

/** Of P-256 and of Ed25519. */
const EC_SIGNATURE_BYTES = 64

/** A private key with its public form. The private half never leaves the object but through `signature`. */
export interface SigningKey {
  readonly kid: string
  /** The algorithms that the key may sign with: one, or both that its type can do where the key names none. */
  readonly algorithms: readonly TokenAlgorithm[]
  /** The key signs from then on; published before. Milliseconds since the epoch, 0 = always. */
  readonly notBeforeMs: number
  /** It signs until then. Milliseconds since the epoch; infinite when nothing is said. */
  readonly notAfterMs: number
  readonly privateKey: KeyObject
  /** The public JWK, as `/jwks.json` shows it. */
  readonly publicJwk: Readonly<Record<string, unknown>>
}

export type RsaAlgorithm = Extract<TokenAlgorithm, 'RS256' | 'PS256'>

export function isRsa(algorithm: TokenAlgorithm): algorithm is RsaAlgorithm {
  return algorithm === 'RS256' || algorithm === 'PS256'
}

/** What `node:crypto` signs with for an RSA algorithm (RFC 7518 §3.3, §3.5). */
export function rsaKey(algorithm: RsaAlgorithm, key: KeyObject): KeyObject | SignKeyObjectInput {
  return algorithm === 'RS256'
    ? key
    : { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST }
}

/** The JWS signature over `input` (RFC 7518 §3.3–3.5, RFC 8037 §3.1), made on this thread; or why there is none. */
export function signature(algorithm: TokenAlgorithm, key: KeyObject, input: Buffer): Buffer | Error {
  try {
    return signatureOf(algorithm, key, input)
  } catch (error) {
    return error as Error
  }
}

function signatureOf(algorithm: TokenAlgorithm, key: KeyObject, input: Buffer): Buffer {
  switch (algorithm) {
    case 'RS256':
    case 'PS256':
      return sign('sha256', input, rsaKey(algorithm, key))
    case 'ES256':
      return joseSignatureOfDer(sign('sha256', input, key))
    case 'EdDSA':
    case 'Ed25519':
      return sign(null, input, key)
    default:
      return algorithm satisfies never
  }
}

/** Whether RPs can verify what the key signs: the parts of a damaged one may be read well and not belong together. */
export function isVerified(algorithm: TokenAlgorithm, key: KeyObject, publicKey: KeyObject): boolean {
  try {
    return verifies(algorithm, key, publicKey)
  } catch {
    return false
  }
}

function verifies(algorithm: TokenAlgorithm, key: KeyObject, publicKey: KeyObject): boolean {
  const input = Buffer.from('logout-relay')
  const signed = signatureOf(algorithm, key, input)
  switch (algorithm) {
    case 'RS256':
      return verify('sha256', input, publicKey, signed)
    case 'PS256': {
      const padding = constants.RSA_PKCS1_PSS_PADDING
      return verify(
        'sha256',
        input,
        { key: publicKey, padding, saltLength: constants.RSA_PSS_SALTLEN_DIGEST },
        signed,
      )
    }
    case 'ES256':
      return verify('sha256', input, { key: publicKey, dsaEncoding: 'ieee-p1363' }, signed)
    case 'EdDSA':
    case 'Ed25519':
      return verify(null, input, publicKey, signed)
    default:
      return algorithm satisfies never
  }
}

/** How long a signature of that key is in base64url, which is the same for all of them. */
export function signatureCharacters(algorithm: TokenAlgorithm, key: KeyObject): number {
  const bytes = isRsa(algorithm)
    ? Math.ceil((key.asymmetricKeyDetails?.modulusLength ?? 0) / 8)
    : EC_SIGNATURE_BYTES
  return Math.ceil((bytes * 4) / 3)
}
