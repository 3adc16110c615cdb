import { RelayFault } from '../../lib/errors.ts'
import { readKeyFile } from './key-file.ts'
import { keyOfJwk } from './read-key.ts'
import type { SigningKey } from './signing-key.ts'

type Jwk = Record<string, unknown>

export interface KeyRotation {
  /** With the private half. */
  readonly jwk: Readonly<Jwk>
  /** Keys that end, and when: seconds since the epoch. One that ends earlier by itself stays as it is. */
  readonly ending: readonly SigningKey[]
  readonly notAfter?: number | undefined
}

/**
 * The text of a key file with one more key. What stands in it, keys that the relay does not use included, keeps its members
 * and its order. Throws `LR_KEYS_INVALID` for a file that is no JWK, JWK set or list of JWKs, and when a key that was usable
 * would no longer be, or the new one is not.
 */
export async function rotatedKeySet(
  content: Buffer,
  { jwk, ending, notAfter }: KeyRotation,
): Promise<string> {
  const { json, jwks, isCompact } = readJwks(content)
  const { keys: before } = await readKeyFile(content)
  for (const entry of jwks) {
    if (notAfter !== undefined && (await isAmong(entry, ending, notAfter))) entry.notAfter = notAfter
  }
  jwks.push(jwk)
  const text = `${JSON.stringify(json, null, isCompact ? undefined : 2)}\n`
  const { keys, leftOut } = await readKeyFile(Buffer.from(text))
  if (keys.length !== before.length + 1) {
    const reasons = leftOut.map(({ name, reason }) => `${name}: ${reason}`).join('; ')
    throw new RelayFault('LR_KEYS_INVALID', `the key cannot be added to the file: ${reasons}`)
  }
  return text
}

/** Throws `LR_KEYS_INVALID` where the keys are not JWKs, to which nothing can be added. */
export function readJwks(content: Buffer): { json: unknown; jwks: Jwk[]; isCompact: boolean } {
  const text = content.toString('utf8').replace(/^\uFEFF/, '')
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    throw new RelayFault(
      'LR_KEYS_INVALID',
      'the file is not a JWK set; make one of a PEM file with "logout-relay keys from-pem"',
    )
  }
  const isCompact = !text.trim().includes('\n')
  if (Array.isArray(json)) return { json, jwks: json, isCompact }
  const { keys } = json as { keys?: unknown }
  if (Array.isArray(keys)) return { json, jwks: keys, isCompact }
  const jwks = [json as Jwk]
  return { json: { keys: jwks }, jwks, isCompact }
}

async function isAmong(entry: Jwk, keys: readonly SigningKey[], notAfter: number): Promise<boolean> {
  const result = await keyOfJwk(entry)
  if (!('key' in result) || result.key.notAfterMs <= notAfter * 1_000) return false
  const { publicJwk } = result.key
  return keys.some((it) => it.kid === publicJwk.kid && it.publicJwk.kty === publicJwk.kty)
}
