import { createPublicKey } from 'node:crypto'
import { isSameKey } from '../issuers/signing/same-key.ts'
import type { SigningKey } from '../issuers/signing/signing-key.ts'
import { durationText } from '../lib/duration-text.ts'
import { error, type Found, ok, warning } from './finding.ts'

/** RPs read a JWK set again when they meet an unknown kid, but some not more often than that. */
export const PUBLISHED_BEFORE_MS = 10 * 60_000

/** Where the keys of an issuer are configured, and the path at which the relay shows their public halves. */
export interface KeyPlace {
  readonly file: string
  readonly shownAt: string
}

const ONLY_PLACE: KeyPlace = { file: 'SIGNING_KEYS_FILE', shownAt: '/jwks.json' }

/** `place`: where ISSUERS_FILE has the issuer; missing where options name it and its keys. */
export function keyPlaceOf(issuer: string | undefined, place: string | undefined): KeyPlace {
  if (issuer === undefined || place === undefined) return ONLY_PLACE
  return { file: `the key file of ${place}`, shownAt: `/jwks.json?issuer=${encodeURIComponent(issuer)}` }
}

export type Jwk = Readonly<Record<string, unknown>>

export type PublishedKeys =
  | { readonly kind: 'read'; readonly jwks: readonly Jwk[] }
  | { readonly kind: 'unusable'; readonly found: Found }

/** The keys of a JWK set (RFC 7517 §5). A private or a symmetric key in it is a leak. */
export function publishedKeys({ keys }: Jwk): PublishedKeys {
  if (!Array.isArray(keys) || !keys.every((key) => typeof key === 'object' && key !== null)) {
    return unusable('the document at jwks_uri has no list of keys', 'check what the provider serves there')
  }
  const jwks = keys as Jwk[]
  const leaked = jwks.filter(({ d, k }) => d !== undefined || k !== undefined)
  if (leaked.length > 0) {
    return unusable(
      `the JWK set of the issuer shows private keys (kid ${leaked.map(({ kid }) => String(kid).slice(0, 100)).join(', ')}): anyone who reads it can sign as the issuer`,
      'remove them at once, and replace these keys',
    )
  }
  return { kind: 'read', jwks }
}

function unusable(text: string, remedy: string): PublishedKeys {
  return { kind: 'unusable', found: error(text, remedy) }
}

/** Whether an RP finds in the issuer's JWK set what it needs to verify the tokens of a key, which signs from `fromMs` on. */
export function checkPublished(
  key: SigningKey,
  jwks: readonly Jwk[],
  nowMs: number,
  { file, shownAt }: KeyPlace,
  fromMs = key.notBeforeMs,
): Found {
  const own = createPublicKey(key.privateKey)
  const named = jwks.filter(({ kid }) => kid === key.kid)
  const same = named.find((jwk) => isSameKey(jwk, own))
  if (same !== undefined) return checkUse(key, same, file)
  const other = jwks.find((jwk) => isSameKey(jwk, own))
  if (other !== undefined && named.length === 0) {
    const published = typeof other.kid === 'string' ? `as kid ${other.kid.slice(0, 100)}` : 'without a kid'
    return error(
      `the key is in the issuer's JWK set ${published}, but tokens name kid ${key.kid}, so RPs do not find it`,
      `set the kid of the key in ${file} to the one in the JWK set (PEM has none: make a JWK set of it with "logout-relay keys from-pem --kid")`,
    )
  }
  if (named.length > 0) {
    return error(
      `kid ${key.kid} in the issuer's JWK set is another key: RPs refuse every token of this one`,
      `put the private half of the published key into ${file}, or give each key its own kid`,
    )
  }
  return missing(key, nowMs, fromMs, shownAt)
}

function missing({ kid }: SigningKey, nowMs: number, fromMs: number, shownAt: string): Found {
  const text = `kid ${kid} is not in the issuer's JWK set`
  const remedy = `publish it: copy the key from ${shownAt} of the relay to the JWK set of the issuer`
  const leftMs = fromMs - nowMs
  if (leftMs <= 0) return error(`${text}: RPs refuse every token of this key`, remedy)
  const when = `it signs in ${durationText(Math.max(1_000, leftMs - (leftMs % 1_000)))}`
  return leftMs < PUBLISHED_BEFORE_MS
    ? error(
        `${text}, but ${when}; RPs may need ten minutes to see it`,
        `${remedy}, and set a later notBefore`,
      )
    : warning(`${text} yet; ${when}`, `${remedy} at least ten minutes before that`)
}

/** The published form may forbid what the relay does with the key. */
function checkUse(
  { kid, algorithms }: SigningKey,
  { alg, use, key_ops: operations }: Jwk,
  file: string,
): Found {
  const forbids =
    use !== undefined && use !== 'sig'
      ? `use "${String(use)}"`
      : Array.isArray(operations) && !operations.includes('verify')
        ? 'key_ops without "verify"'
        : undefined
  if (forbids !== undefined) {
    return error(
      `kid ${kid} is published with ${forbids}, so RPs do not use it to verify`,
      'publish it with use "sig"',
    )
  }
  if (alg === undefined || (algorithms.length === 1 && algorithms[0] === alg)) {
    return ok(`kid ${kid} is in the issuer's JWK set, for ${algorithms.join(' and ')}`)
  }
  if (!(algorithms as readonly unknown[]).includes(alg)) {
    return error(
      `kid ${kid} is published for ${String(alg)}, but the relay signs ${algorithms.join(' and ')} with it: RPs refuse its tokens`,
      `publish it with its alg in ${file}`,
    )
  }
  const others = algorithms.filter((it) => it !== alg).join(' and ')
  return ok(
    `kid ${kid} is in the issuer's JWK set, for ${String(alg)} only; a registration with alg ${others} needs another key`,
  )
}
