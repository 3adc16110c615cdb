import { createHash } from 'node:crypto'
import { compactVerify, decodeProtectedHeader } from 'jose'
import type { IntakeKey } from '../config/intake-credentials.ts'
import type { Disbelief } from './verify.ts'

export interface JwtExpectations {
  readonly keys: readonly IntakeKey[]
  /** What `aud` must be or hold; anything where it is not given. */
  readonly audience: string | undefined
  readonly ageMsMax: number
  readonly nowMs: number
}

const TOKEN_CHARACTERS_MAX = 8_192
const CLOCK_TOLERANCE_MS = 5_000

/**
 * Whether a JWT was signed for this very body: by a key of the source, and with the body's digest in `request_body_sha256`, in
 * hexadecimal (Keycloak's extension) or base64 (FusionAuth). Times are looked at where there are any; FusionAuth states none.
 */
export async function verifyJwt(
  token: string,
  body: Buffer,
  { ageMsMax, audience, keys, nowMs }: JwtExpectations,
): Promise<Disbelief | undefined> {
  const claims = await claimsOf(token, keys)
  if (claims === undefined) return 'wrong-signature'
  const digest = createHash('sha256').update(body)
  const bytes = digest.digest()
  const stated = claims.request_body_sha256
  if (stated !== bytes.toString('hex') && stated !== bytes.toString('base64')) return 'wrong-signature'
  if (audience !== undefined && ![claims.aud].flat().includes(audience)) return 'wrong-signature'
  const { exp, iat, nbf } = claims
  const seconds = [exp, iat, nbf].filter((it) => it !== undefined)
  if (!seconds.every((it) => typeof it === 'number' && Number.isFinite(it))) return 'wrong-signature'
  const msOf = (time: unknown) => Number(time) * 1_000
  const isOver = exp !== undefined && msOf(exp) + CLOCK_TOLERANCE_MS < nowMs
  const isEarly = nbf !== undefined && msOf(nbf) - CLOCK_TOLERANCE_MS > nowMs
  const isOld = iat !== undefined && Math.abs(nowMs - msOf(iat)) > ageMsMax
  return isOver || isEarly || isOld ? 'stale' : undefined
}

async function claimsOf(
  token: string,
  keys: readonly IntakeKey[],
): Promise<Record<string, unknown> | undefined> {
  if (token.length > TOKEN_CHARACTERS_MAX) return undefined
  try {
    const { kid } = decodeProtectedHeader(token)
    const fitting = keys.filter((it) => it.kid === undefined || kid === undefined || it.kid === kid)
    for (const { key, algorithms } of fitting) {
      const verified = await compactVerify(token, key, { algorithms: [...algorithms] }).catch(() => undefined)
      if (verified === undefined) continue
      const claims: unknown = JSON.parse(Buffer.from(verified.payload).toString('utf8'))
      return typeof claims === 'object' && claims !== null ? { ...claims } : undefined
    }
  } catch {
    // No JWT at all.
  }
  return undefined
}
