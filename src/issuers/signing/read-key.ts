import { createPrivateKey, createPublicKey, type JsonWebKey, type KeyObject } from 'node:crypto'
import { calculateJwkThumbprint } from 'jose/jwk/thumbprint'
import { exportJWK } from 'jose/key/export'
import { identifier } from '../../events/identifier.ts'
import { type TokenAlgorithm, tokenAlgorithms } from '../../events/registration.ts'
import { codeOf } from '../../lib/errors.ts'
import { printable } from '../../lib/printable.ts'
import { isSameKey } from './same-key.ts'
import { isVerified, type SigningKey } from './signing-key.ts'

type Jwk = Readonly<Record<string, unknown>>

/** A key that signs, or why it does not. */
export type KeyResult =
  | { readonly key: SigningKey }
  | { readonly reason: string; readonly isMistake: boolean }

/** What a file says of a key beside the key itself. */
interface KeyMembers {
  readonly kid?: string | undefined
  readonly alg?: string | undefined
  readonly notBeforeMs: number
  readonly notAfterMs: number
}

const ALWAYS: KeyMembers = { notBeforeMs: 0, notAfterMs: Number.POSITIVE_INFINITY }

type Unusable = Exclude<KeyResult, { key: unknown }>

const RSA_BITS_MIN = 2_048
/** One signature of a longer key holds everything up for tens of milliseconds and more. */
const RSA_BITS_MAX = 8_192
const SHOWN_MAX = 40
const NO_PAIR = 'its private and public halves do not match'
const KID_RULE =
  'its kid must have 1 to 1,024 characters, without control or direction characters; set another kid'
/** `notBefore` and `notAfter` are members of our own, in seconds as in a JWT. */
const timeRule = (name: string) =>
  `its ${name} must be seconds since the epoch (not milliseconds) or an ISO 8601 date, of 1970 to 2199`
const ISO_DATE = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?)?$/
const TIMES_UNTIL_MS = Date.UTC(2200, 0)

/** It was meant to sign, and cannot. */
export function left(reason: string): Unusable {
  return { reason, isMistake: true }
}

/** It is for something else: many a file holds keys of all kinds. */
function other(reason: string): Unusable {
  return { reason, isMistake: false }
}

export async function keyOfJwk(json: unknown): Promise<KeyResult> {
  if (typeof json !== 'object' || json === null) return left('it is not a JWK')
  const jwk = json as Jwk
  const { kid, alg } = jwk
  const purpose = otherPurpose(jwk)
  if (purpose !== undefined) return other(purpose)
  if (kid != null && !isName(kid)) return left(KID_RULE)
  if (alg != null && typeof alg !== 'string') return left('its alg must be a string')
  const notBeforeMs = timeOf(jwk.notBefore, 0)
  if (Number.isNaN(notBeforeMs)) return left(timeRule('notBefore'))
  const notAfterMs = timeOf(jwk.notAfter, Number.POSITIVE_INFINITY)
  if (Number.isNaN(notAfterMs)) return left(timeRule('notAfter'))
  if (notAfterMs <= notBeforeMs) return left('its notAfter must be after its notBefore')
  const privateKey = imported(() => createPrivateKey({ key: jwk as JsonWebKey, format: 'jwk' }))
  if ('reason' in privateKey) return privateKey
  const { d, p, q, dp, dq, qi, oth, ...publicHalf } = jwk
  return signingKey(
    privateKey,
    { kid: kid ?? undefined, alg: alg ?? undefined, notBeforeMs, notAfterMs },
    publicHalf,
  )
}

export async function keyOfPem(block: string): Promise<KeyResult> {
  if (/^-----BEGIN ENCRYPTED|^Proc-Type:.*ENCRYPTED/m.test(block)) {
    return left('it is encrypted; decrypt it for the relay, for example with "openssl pkey"')
  }
  if (block.startsWith('-----BEGIN OPENSSH')) {
    return left('it has the OpenSSH format; convert it to PKCS #8, for example with "ssh-keygen -p -m PKCS8"')
  }
  const privateKey = imported(() => createPrivateKey(block))
  return 'reason' in privateKey ? privateKey : signingKey(privateKey, ALWAYS)
}

/** What a JWK says it is for, where that is not to sign (RFC 7517 §4.2, §4.3). */
function otherPurpose({ kty, use, key_ops: operations, d, alg }: Jwk): string | undefined {
  if (kty === 'oct') return 'it is symmetric: anyone who verifies tokens with it could also sign them'
  if (use != null && use !== 'sig') return `its use is ${shown(use)}, not "sig"`
  if (operations != null && !(Array.isArray(operations) && operations.includes('sign'))) {
    return 'its key_ops lack "sign"'
  }
  if (d === undefined) return 'it has no private half'
  if (typeof alg === 'string' && !(tokenAlgorithms as readonly string[]).includes(alg)) {
    return `its alg is ${shown(alg)}, but the relay signs ${tokenAlgorithms.join(', ')}`
  }
  return undefined
}

function imported(create: () => KeyObject): KeyObject | Unusable {
  try {
    return create()
  } catch (error) {
    return left(`it cannot be read as a private key (${codeOf(error) ?? 'unknown format'})`)
  }
}

/** It stands in every token, and in logs and findings. */
function isName(kid: unknown): kid is string {
  return identifier.safeParse(kid).success && printable(kid as string) === kid
}

/** In milliseconds; `NaN` for what is no time, or in other units than it should be. */
function timeOf(value: unknown, otherwise: number): number {
  if (value == null) return otherwise
  // An engine finds a date in nearly any words with a number among them.
  const isDate = typeof value === 'string' && ISO_DATE.test(value)
  const ms = typeof value === 'number' ? value * 1_000 : isDate ? Date.parse(value) : Number.NaN
  return ms >= 0 && ms <= TIMES_UNTIL_MS ? ms : Number.NaN
}

async function signingKey(
  privateKey: KeyObject,
  { kid, alg, notBeforeMs, notAfterMs }: KeyMembers,
  publicHalf?: Jwk,
): Promise<KeyResult> {
  const possible = algorithmsOf(privateKey)
  if ('reason' in possible) return possible
  if (alg !== undefined && !(possible as readonly string[]).includes(alg)) {
    return left(`its alg ${shown(alg)} does not fit it; it can sign ${possible.join(', ')}`)
  }
  // From the public half: an export of the private key would leave it in the heap as text.
  const publicKey = createPublicKey(privateKey)
  const publicJwk = await exportJWK(publicKey)
  // Most are written as here, which costs no import of a key.
  const isOwnHalf = (half: Jwk) => Object.entries(publicJwk).every(([name, value]) => half[name] === value)
  if (publicHalf !== undefined && !isOwnHalf(publicHalf) && !isSameKey(publicHalf, privateKey))
    return left(NO_PAIR)
  // Both names stand for one algorithm (RFC 9864), and RPs ask for the one or the other.
  const algorithms =
    alg === undefined || privateKey.asymmetricKeyType === 'ed25519' ? possible : [alg as TokenAlgorithm]
  // One for all: whether the two halves belong together does not depend on the algorithm.
  const [algorithm] = algorithms
  if (algorithm !== undefined && !isVerified(algorithm, privateKey, publicKey)) {
    return left(publicHalf === undefined ? 'its signatures do not verify' : NO_PAIR)
  }
  // A key for several algorithms is published without `alg`: RPs take that as "any that fits".
  const published = alg ?? (algorithms.length === 1 ? algorithms[0] : undefined)
  const name = kid ?? (await calculateJwkThumbprint(publicJwk))
  const shownJwk = { ...publicJwk, kid: name, use: 'sig', ...(published !== undefined && { alg: published }) }
  return { key: { kid: name, algorithms, notBeforeMs, notAfterMs, privateKey, publicJwk: shownJwk } }
}

function algorithmsOf(key: KeyObject): readonly TokenAlgorithm[] | Unusable {
  const { modulusLength = 0, namedCurve } = key.asymmetricKeyDetails ?? {}
  switch (key.asymmetricKeyType) {
    case 'rsa':
      return modulusLength < RSA_BITS_MIN || modulusLength > RSA_BITS_MAX
        ? left(`an RSA key must have ${RSA_BITS_MIN} to ${RSA_BITS_MAX} bits; this one has ${modulusLength}`)
        : ['RS256', 'PS256']
    case 'ec':
      return namedCurve === 'prime256v1'
        ? ['ES256']
        : other(
            `it is on the curve ${namedCurve ?? 'of no name'}; the only supported elliptic curve is P-256`,
          )
    case 'ed25519':
      return ['EdDSA', 'Ed25519']
    default:
      return other(`its type ${key.asymmetricKeyType} cannot sign logout tokens`)
  }
}

function shown(value: unknown): string {
  return printable(JSON.stringify(value)?.slice(0, SHOWN_MAX) ?? '')
}
