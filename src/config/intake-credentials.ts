import { createPublicKey, createSecretKey, type JsonWebKey, type KeyObject } from 'node:crypto'
import { secretLines } from './secret-files.ts'

/** A key that verifies JWTs. */
export interface IntakeKey {
  readonly kid: string | undefined
  readonly key: KeyObject
  /** Those that it may verify, so that no token chooses another. */
  readonly algorithms: readonly string[]
}

const SECRETS_MAX = 8
const SECRET_CHARACTERS_MIN = 8
const KEYS_MAX = 16
const RSA_BITS_MIN = 2_048
const HMAC_BYTES_MIN = 32
const PEM = /-----BEGIN ([A-Z ]+)-----[\s\S]+?-----END \1-----/g
const CURVES: Readonly<Record<string, string>> = {
  prime256v1: 'ES256',
  secp384r1: 'ES384',
  secp521r1: 'ES512',
}

/** One secret in each line. What is wrong is returned as a text, which quotes none. */
export function readSharedSecrets(content: Buffer): { secrets: readonly Buffer[] } | string {
  const read = secretLines(content)
  if ('problem' in read) return `${read.problem}${read.hasBlanks ? '; remove them' : ''}`
  const { lines } = read
  if (lines.length === 0) return 'is empty; it must hold the secret'
  if (lines.some((line) => line.startsWith('-----BEGIN'))) return 'holds a key; name it in keysFile'
  if (lines.length > SECRETS_MAX) return `has more than ${SECRETS_MAX} lines, each of which is a secret`
  const short = lines.findIndex((line) => line.length < SECRET_CHARACTERS_MIN)
  if (short !== -1)
    return `has a secret of less than ${SECRET_CHARACTERS_MIN} characters in line ${short + 1}; make a longer one`
  return { secrets: lines.map((line) => Buffer.from(line)) }
}

/** Public keys or certificates as PEM, or a JWK set. What is wrong is returned as a text, which quotes none of it. */
export function readIntakeKeys(content: Buffer): { keys: readonly IntakeKey[] } | string {
  // Without a byte order mark, which is no JSON.
  const text = new TextDecoder().decode(content)
  const found = /^\s*\{/.test(text) ? fromJwks(text) : fromPem(text)
  if (typeof found === 'string') return found
  if (found.length === 0) return 'has no key; it must hold public keys as PEM, or a JWK set'
  return found.length > KEYS_MAX ? `has more than ${KEYS_MAX} keys` : { keys: found }
}

function fromPem(text: string): IntakeKey[] | string {
  const keys: IntakeKey[] = []
  for (const [pem, label = ''] of text.matchAll(PEM)) {
    if (label.includes('PRIVATE')) return 'holds a private key; put only its public half there'
    const key = publicKey(pem)
    const algorithms = key === undefined ? [] : algorithmsOf(key)
    if (key === undefined || algorithms.length === 0) return `has a key that cannot be used: ${USABLE}`
    keys.push({ kid: undefined, key, algorithms })
  }
  return keys
}

const USABLE = `it must be RSA of at least ${RSA_BITS_MIN} bits, EC on a curve of NIST, or Ed25519`

function fromJwks(text: string): IntakeKey[] | string {
  const listed = jwksIn(text)
  if (listed === undefined) return 'is no JWK set; it must have a list of keys'
  const keys: IntakeKey[] = []
  for (const jwk of listed) {
    const kid = typeof jwk.kid === 'string' ? jwk.kid : undefined
    if (jwk.use === 'enc') continue
    if (jwk.kty !== 'oct' && jwk.d !== undefined) return 'holds a private key; put only its public half there'
    const key = jwk.kty === 'oct' ? secretKey(jwk.k) : publicKey({ key: jwk as JsonWebKey, format: 'jwk' })
    const algorithms = key === undefined ? [] : algorithmsOf(key)
    // A set of an issuer may hold keys for other purposes.
    if (key !== undefined && algorithms.length > 0) keys.push({ kid, key, algorithms })
  }
  return keys.length === 0 && listed.length > 0 ? `has no key that can be used: ${USABLE}` : keys
}

function jwksIn(text: string): Record<string, unknown>[] | undefined {
  try {
    const { keys } = JSON.parse(text) as { keys?: unknown }
    const isList = Array.isArray(keys) && keys.every((it) => typeof it === 'object' && it !== null)
    return isList ? keys : undefined
  } catch {
    return undefined
  }
}

function publicKey(from: Parameters<typeof createPublicKey>[0]): KeyObject | undefined {
  try {
    return createPublicKey(from)
  } catch {
    return undefined
  }
}

function secretKey(k: unknown): KeyObject | undefined {
  const bytes = Buffer.from(typeof k === 'string' ? k : '', 'base64url')
  return bytes.length < HMAC_BYTES_MIN ? undefined : createSecretKey(bytes)
}

function algorithmsOf(key: KeyObject): string[] {
  const { modulusLength = 0, namedCurve = '' } = key.asymmetricKeyDetails ?? {}
  if (key.type === 'secret') return ['HS256', 'HS384', 'HS512']
  if (key.asymmetricKeyType === 'rsa')
    return modulusLength < RSA_BITS_MIN ? [] : ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512']
  if (key.asymmetricKeyType === 'ed25519') return ['EdDSA', 'Ed25519']
  const curve = CURVES[namedCurve]
  return key.asymmetricKeyType === 'ec' && curve !== undefined ? [curve] : []
}
