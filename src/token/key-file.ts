import { createPrivateKey, type KeyObject } from 'node:crypto'
import type { JWK } from 'jose'
import { calculateJwkThumbprint } from 'jose/jwk/thumbprint'
import { exportJWK } from 'jose/key/export'
import { codeOf, RelayFault } from '../errors.ts'
import { type TokenAlgorithm, tokenAlgorithms } from '../events/registration.ts'
import type { SigningKey } from './signing-key.ts'

const RSA_BITS_MIN = 2_048
const PEM_BLOCK = /-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]+?-----END [A-Z ]*PRIVATE KEY-----/g

/**
 * Reads the keys of one issuer from the text of a file: a JWK set, one JWK, or PEM with one or more private
 * keys. Throws `LR_KEYS_INVALID`, which names the entry and the problem but never shows key material.
 */
export async function readKeyFile(text: string): Promise<SigningKey[]> {
  const keys = text.trimStart().startsWith('{') ? await readJson(text) : await readPem(text)
  if (keys.length === 0) {
    throw new RelayFault('LR_KEYS_INVALID', 'no private key in the file: expected a JWK set or PEM')
  }
  const kids = new Set(keys.map((key) => key.kid))
  if (kids.size < keys.length) throw new RelayFault('LR_KEYS_INVALID', 'two keys have the same kid')
  return keys
}

async function readJson(text: string): Promise<SigningKey[]> {
  let json: { keys?: unknown }
  try {
    json = JSON.parse(text) as { keys?: unknown }
  } catch {
    throw new RelayFault('LR_KEYS_INVALID', 'the file starts like a JWK set but is not JSON')
  }
  const jwks = Array.isArray(json.keys) ? (json.keys as JWK[]) : [json as JWK]
  const keys: SigningKey[] = []
  for (const [index, jwk] of jwks.entries()) {
    if (typeof jwk !== 'object' || jwk === null) {
      throw new RelayFault('LR_KEYS_INVALID', `keys[${index}]: is not a JWK`)
    }
    // Encryption keys and public halves of others often share a file with the signing key.
    if (jwk.use === 'enc' || (jwk.kty !== 'oct' && jwk.d === undefined)) continue
    keys.push(await readJwk(jwk, `keys[${index}]`))
  }
  return keys
}

async function readJwk(jwk: JWK, place: string): Promise<SigningKey> {
  if (jwk.kty === 'oct') {
    throw new RelayFault('LR_KEYS_INVALID', `${place}: a symmetric key cannot sign logout tokens`)
  }
  if (jwk.kid !== undefined && (typeof jwk.kid !== 'string' || jwk.kid === '')) {
    throw new RelayFault('LR_KEYS_INVALID', `${place}: kid must be a string that is not empty`)
  }
  const privateKey = importKey(() => createPrivateKey({ key: jwk as never, format: 'jwk' }), place)
  return signingKey(privateKey, place, jwk.kid, jwk.alg, notBefore(jwk, place))
}

async function readPem(text: string): Promise<SigningKey[]> {
  const blocks = text.match(PEM_BLOCK) ?? []
  const keys: SigningKey[] = []
  for (const [index, block] of blocks.entries()) {
    const place = `PEM block ${index + 1}`
    keys.push(
      await signingKey(
        importKey(() => createPrivateKey(block), place),
        place,
      ),
    )
  }
  return keys
}

function importKey(create: () => KeyObject, place: string): KeyObject {
  try {
    return create()
  } catch (error) {
    throw new RelayFault(
      'LR_KEYS_INVALID',
      `${place}: cannot be read as a private key (${codeOf(error) ?? 'unknown format'})`,
    )
  }
}

/** `notBefore`, a member of our own: seconds since the epoch as in a JWT, or an ISO 8601 date. */
function notBefore(jwk: JWK, place: string): number {
  const value = (jwk as Record<string, unknown>).notBefore
  if (value === undefined) return 0
  const ms =
    typeof value === 'number' ? value * 1_000 : typeof value === 'string' ? Date.parse(value) : Number.NaN
  if (Number.isNaN(ms)) {
    throw new RelayFault(
      'LR_KEYS_INVALID',
      `${place}: notBefore must be seconds since the epoch or an ISO date`,
    )
  }
  return ms
}

async function signingKey(
  privateKey: KeyObject,
  place: string,
  kid?: string,
  alg?: string,
  notBeforeMs = 0,
): Promise<SigningKey> {
  const algorithms = algorithmsOf(privateKey, place)
  if (alg !== undefined && !(algorithms as string[]).includes(alg)) {
    throw new RelayFault(
      'LR_KEYS_INVALID',
      `${place}: alg ${JSON.stringify(alg)} does not fit the key; it can do ${algorithms.join(', ')}`,
    )
  }
  const { d, p, q, dp, dq, qi, ...publicJwk } = await exportJWK(privateKey)
  const name = kid ?? (await calculateJwkThumbprint(publicJwk))
  const only = tokenAlgorithms.find((candidate) => candidate === alg)
  const usable = only === undefined ? algorithms : [only]
  return {
    kid: name,
    algorithms: usable,
    notBeforeMs,
    privateKey,
    // A key for several algorithms is published without `alg`: RPs take that as "any that fits".
    publicJwk: { ...publicJwk, kid: name, use: 'sig', ...(usable.length === 1 && { alg: usable[0] }) },
  }
}

function algorithmsOf(key: KeyObject, place: string): TokenAlgorithm[] {
  const { modulusLength, namedCurve } = key.asymmetricKeyDetails ?? {}
  switch (key.asymmetricKeyType) {
    case 'rsa':
      if ((modulusLength ?? 0) < RSA_BITS_MIN) {
        throw new RelayFault('LR_KEYS_INVALID', `${place}: an RSA key needs at least ${RSA_BITS_MIN} bits`)
      }
      return ['RS256', 'PS256']
    case 'ec':
      if (namedCurve === 'prime256v1') return ['ES256']
      throw new RelayFault('LR_KEYS_INVALID', `${place}: of the elliptic curves only P-256 is supported`)
    case 'ed25519':
      return ['EdDSA']
    default:
      throw new RelayFault(
        'LR_KEYS_INVALID',
        `${place}: key type ${key.asymmetricKeyType} cannot sign logout tokens`,
      )
  }
}
