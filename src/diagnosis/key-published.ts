import { createPublicKey } from 'node:crypto'
import { isSameKey } from '../issuers/signing/same-key.ts'
import type { SigningKey } from '../issuers/signing/signing-key.ts'
import { durationText } from '../lib/duration-text.ts'
import { error, type Found, ok, warning } from './finding.ts'

/** RPs read a JWK set again when they meet an unknown kid, but some not more often than that. */
const PUBLISHED_BEFORE_MS = 10 * 60_000

type Jwk = Readonly<Record<string, unknown>>

export type PublishedKeys =
  | { readonly kind: 'read'; readonly jwks: readonly Jwk[] }
  | { readonly kind: 'unusable'; readonly found: Found }

/** The keys of a JWK set (RFC 7517 §5). A private or a symmetric key in it is a leak. */
export function publishedKeys({ keys }: Jwk): PublishedKeys {
  if (!Array.isArray(keys) || !keys.every((key) => typeof key === 'object' && key !== null)) {
    return unusable('the document at jwks_uri holds no list of keys', 'see what is served there')
  }
  const jwks = keys as Jwk[]
  const leaked = jwks.filter(({ d, k }) => d !== undefined || k !== undefined)
  if (leaked.length > 0) {
    return unusable(
      `the JWK set of the issuer shows private keys (kid ${leaked.map(({ kid }) => String(kid).slice(0, 100)).join(', ')}): whoever reads it can sign as the issuer`,
      'take them out at once, and replace these keys',
    )
  }
  return { kind: 'read', jwks }
}

function unusable(text: string, remedy: string): PublishedKeys {
  return { kind: 'unusable', found: error(text, remedy) }
}

/** Whether an RP finds in the issuer's JWK set what it needs to verify the tokens of a key. */
export function checkPublished(key: SigningKey, jwks: readonly Jwk[], nowMs: number): Found {
  const own = createPublicKey(key.privateKey)
  const named = jwks.filter(({ kid }) => kid === key.kid)
  const same = named.find((jwk) => isSameKey(jwk, own))
  if (same !== undefined) return checkUse(key, same)
  const other = jwks.find((jwk) => isSameKey(jwk, own))
  if (other !== undefined && named.length === 0) {
    const published = typeof other.kid === 'string' ? `as kid ${other.kid.slice(0, 100)}` : 'without a kid'
    return error(
      `the key is in the issuer's JWK set ${published}, but tokens name kid ${key.kid}: RPs do not find it`,
      `set the kid of the key in SIGNING_KEYS_FILE to the one in the JWK set (PEM has none: write it as a JWK)`,
    )
  }
  if (named.length > 0) {
    return error(
      `kid ${key.kid} in the issuer's JWK set is another key: RPs refuse every token that this one signs`,
      'let SIGNING_KEYS_FILE hold the private half of the key that is published, or give each key a kid of its own',
    )
  }
  return missing(key, nowMs)
}

function missing({ kid, notBeforeMs }: SigningKey, nowMs: number): Found {
  const text = `kid ${kid} is not in the issuer's JWK set`
  const remedy = `publish it: add the key that /jwks.json of the relay shows to the JWK set of the issuer`
  const leftMs = notBeforeMs - nowMs
  if (leftMs <= 0) return error(`${text}: RPs refuse every token that it signs`, remedy)
  const when = `it signs in ${durationText(Math.max(1_000, leftMs - (leftMs % 1_000)))}`
  return leftMs < PUBLISHED_BEFORE_MS
    ? error(
        `${text}, and ${when}; RPs may need ten minutes to see it`,
        `${remedy}, and put off its notBefore`,
      )
    : warning(`${text} yet; ${when}`, `${remedy} ten minutes before that at the latest`)
}

/** The published form may forbid what the relay does with the key. */
function checkUse({ kid, algorithms }: SigningKey, { alg, use, key_ops: operations }: Jwk): Found {
  const forbids =
    use !== undefined && use !== 'sig'
      ? `use "${String(use)}"`
      : Array.isArray(operations) && !operations.includes('verify')
        ? 'key_ops without "verify"'
        : undefined
  if (forbids !== undefined) {
    return error(
      `kid ${kid} is published with ${forbids}: RPs do not verify with it`,
      'publish it with use "sig"',
    )
  }
  if (alg === undefined || (algorithms.length === 1 && algorithms[0] === alg)) {
    return ok(`kid ${kid} is in the issuer's JWK set, for ${algorithms.join(' and ')}`)
  }
  if (!(algorithms as readonly unknown[]).includes(alg)) {
    return error(
      `kid ${kid} is published for ${String(alg)}, and the relay signs ${algorithms.join(' and ')} with it: RPs refuse that`,
      'publish it with the alg that it has in SIGNING_KEYS_FILE',
    )
  }
  const others = algorithms.filter((it) => it !== alg).join(' and ')
  return ok(
    `kid ${kid} is in the issuer's JWK set, for ${String(alg)} only; a registration with alg ${others} needs another key`,
  )
}
