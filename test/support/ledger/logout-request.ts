import { constants, createPublicKey, type KeyObject, verify } from 'node:crypto'
import type { LedgerOptions } from './protocol.ts'

const BACKCHANNEL_LOGOUT_EVENT = 'http://schemas.openid.net/event/backchannel-logout'
const SAMPLE_EVERY = 100

export interface LogoutClaims {
  readonly sid: string
  readonly jti: string
}

export type ReadResult = LogoutClaims | { readonly invalid: string }

interface Payload {
  readonly iss?: unknown
  readonly aud?: unknown
  readonly iat?: unknown
  readonly exp?: unknown
  readonly jti?: unknown
  readonly sid?: unknown
  readonly nonce?: unknown
  readonly events?: Record<string, unknown>
}

/** Judges logout requests as a relying party would, except that signatures may be checked by sample only. */
export class LogoutRequestReader {
  verified = 0
  /** By `iss`; with one for whatever it is where that is not checked. */
  readonly #keysOf = new Map<unknown, Map<string, KeyObject>>()
  readonly #verifyEvery: number
  #read = 0

  constructor(options: LedgerOptions) {
    const verification = options.verify ?? 'none'
    this.#verifyEvery = verification === 'all' ? 1 : verification === 'sample' ? SAMPLE_EVERY : 0
    const { issuer, jwks = { keys: [] }, jwksOf } = options
    for (const [iss, { keys }] of jwksOf === undefined ? [[issuer, jwks] as const] : Object.entries(jwksOf)) {
      const publicKeys = keys.map((jwk) => [jwk.kid, createPublicKey({ key: jwk, format: 'jwk' })] as const)
      this.#keysOf.set(iss, new Map(publicKeys))
    }
  }

  read(contentType: string | undefined, body: string, clientId: string): ReadResult {
    if (!contentType?.startsWith('application/x-www-form-urlencoded')) return { invalid: 'content type' }
    if (!body.startsWith('logout_token=')) return { invalid: 'no logout_token' }
    const parameterEnd = body.indexOf('&')
    const token = body.slice('logout_token='.length, parameterEnd < 0 ? undefined : parameterEnd)
    const payloadStart = token.indexOf('.') + 1
    const payloadEnd = token.indexOf('.', payloadStart)
    if (payloadStart === 0 || payloadEnd < 0) return { invalid: 'not a JWT' }
    const payload = decode<Payload>(token.slice(payloadStart, payloadEnd))
    if (payload === undefined) return { invalid: 'not a JWT' }
    const { aud, sid, jti, iat, exp } = payload
    // Everything by which a relying party would refuse the token (OIDC BCL 1.0 §2.6), in its order.
    const keys = this.#keysOf.get(payload.iss) ?? this.#keysOf.get(undefined)
    if (keys === undefined) return { invalid: 'iss' }
    if (aud !== clientId && !isTenant(aud, clientId)) return { invalid: 'aud' }
    const nowSeconds = Date.now() / 1_000
    if (typeof iat !== 'number' || iat > nowSeconds + 5) return { invalid: 'iat' }
    if (typeof exp !== 'number' || exp < nowSeconds) return { invalid: 'exp' }
    if (typeof sid !== 'string' || sid === '') return { invalid: 'sid' }
    if (typeof jti !== 'string' || jti === '') return { invalid: 'jti' }
    if (payload.events?.[BACKCHANNEL_LOGOUT_EVENT] === undefined) return { invalid: 'events' }
    if (payload.nonce !== undefined) return { invalid: 'nonce' }
    this.#read += 1
    const isVerified = this.#verifyEvery > 0 && this.#read % this.#verifyEvery === 0
    if (isVerified && !this.#verify(token, payloadEnd, keys)) return { invalid: 'signature' }
    return { sid, jti }
  }

  #verify(token: string, payloadEnd: number, keys: ReadonlyMap<string, KeyObject>): boolean {
    this.verified += 1
    const header = decode<{ kid?: string; alg?: string }>(token.slice(0, token.indexOf('.')))
    const key = keys.get(header?.kid ?? '')
    if (key === undefined) return false
    const signed = Buffer.from(token.slice(0, payloadEnd))
    const signature = Buffer.from(token.slice(payloadEnd + 1), 'base64url')
    switch (header?.alg) {
      case 'RS256':
        return verify('sha256', signed, key, signature)
      case 'PS256':
        return verify(
          'sha256',
          signed,
          { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST },
          signature,
        )
      case 'ES256':
        return verify('sha256', signed, { key, dsaEncoding: 'ieee-p1363' }, signature)
      case 'EdDSA':
        return verify(null, signed, key, signature)
      default:
        return false
    }
  }
}

/** Clients that share the host of another one. */
function isTenant(aud: unknown, clientId: string): boolean {
  return typeof aud === 'string' && aud.startsWith(`${clientId}.`)
}

function decode<T>(part: string): T | undefined {
  try {
    return JSON.parse(Buffer.from(part, 'base64url').toString()) as T
  } catch {
    return undefined
  }
}
