import { createPublicKey, type JsonWebKey, type KeyObject } from 'node:crypto'

/**
 * Whether a published JWK is the public half of a key, by what the key is and not by how its numbers are written. What
 * is no key at all is not.
 */
export function isSameKey(jwk: Readonly<Record<string, unknown>>, own: KeyObject): boolean {
  try {
    const published = createPublicKey({ key: jwk as JsonWebKey, format: 'jwk' })
    // Not `published.equals`: over keys of two types it leaves an error in OpenSSL that the next import of a PEM trips over.
    return spki(published).equals(spki(own.type === 'private' ? createPublicKey(own) : own))
  } catch {
    return false
  }
}

function spki(key: KeyObject): Buffer {
  return key.export({ type: 'spki', format: 'der' })
}
