import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import type { IntakeSource, IntakeVerification } from '../config/intake-file.ts'
import { verifyJwt } from './verify-jwt.ts'

/** Each header with all that was given for it, as `IncomingMessage#headersDistinct` has them. Names are in lower case. */
export type GivenHeaders = Readonly<Record<string, readonly string[] | undefined>>

/** Why a webhook is not believed. `stale`: it was signed too long ago, or for a time to come. */
export type Disbelief = 'no-signature' | 'wrong-signature' | 'stale'

/** Between the signing and the arrival, and between two clocks. A platform that tries again signs again. */
export const SIGNED_AGO_MS_MAX = 300_000
/** Signatures of a timestamped header: one for each secret while the sender changes its own. */
const SIGNATURES_MAX = 8

/**
 * What can be said before the body is read: `undefined` where the body decides. A webhook without a signature, or with a wrong
 * secret, then costs nothing more.
 */
export function verifyHead(source: IntakeSource, headers: GivenHeaders): Disbelief | undefined {
  const { verification } = source
  const given = presented(verification, headers)
  if (typeof given !== 'string') return given.disbelief
  if (verification.kind !== 'bearer') return undefined
  const alone = withoutScheme(given)
  const isKnown = source.secrets
    .map((secret) => isSame(given, secret) || isSame(alone, secret))
    .includes(true)
  return isKnown ? undefined : 'wrong-signature'
}

/** Whether the body is from whom it says; `undefined` where it is. `headers` have passed `verifyHead`. */
export async function verifyBody(
  source: IntakeSource,
  headers: GivenHeaders,
  body: Buffer,
  nowMs: number,
): Promise<Disbelief | undefined> {
  const { verification } = source
  const given = presented(verification, headers)
  if (typeof given !== 'string') return given.disbelief
  switch (verification.kind) {
    case 'bearer':
      return undefined
    case 'hmac': {
      const { algorithm, encoding, prefix } = verification
      const alone = given.startsWith(prefix) ? given.slice(prefix.length) : given
      const signature = encoding === 'hex' ? alone.toLowerCase() : alone
      const isRight = source.secrets.some((secret) =>
        isSame(signature, createHmac(algorithm, secret).update(body).digest(encoding)),
      )
      return isRight ? undefined : 'wrong-signature'
    }
    case 'timestamped-hmac':
      return verifyTimestamped(source, given, body, nowMs)
    case 'jwt':
      return verifyJwt(withoutScheme(given), body, {
        keys: source.keys,
        audience: verification.audience,
        ageMsMax: SIGNED_AGO_MS_MAX,
        nowMs,
      })
    default:
      return verification satisfies never
  }
}

function verifyTimestamped(
  { secrets }: IntakeSource,
  given: string,
  body: Buffer,
  nowMs: number,
): Disbelief | undefined {
  const parts = given.split(',', SIGNATURES_MAX + 1).map((it) => it.trim())
  const seconds = parts.find((it) => it.startsWith('t='))?.slice(2) ?? ''
  if (!/^\d{1,12}$/.test(seconds)) return 'wrong-signature'
  const signatures = parts.filter((it) => it.startsWith('v1=')).map((it) => it.slice(3).toLowerCase())
  const isRight = secrets.some((secret) => {
    const expected = createHmac('sha256', secret).update(`${seconds}.`).update(body).digest('hex')
    return signatures.some((it) => isSame(it, expected))
  })
  if (!isRight) return 'wrong-signature'
  return Math.abs(nowMs - Number(seconds) * 1_000) > SIGNED_AGO_MS_MAX ? 'stale' : undefined
}

/** What is to be verified. Of several that differ, what stands before this port may have believed another than would be verified here. */
function presented(
  verification: IntakeVerification,
  headers: GivenHeaders,
): string | { readonly disbelief: Disbelief } {
  const names = verification.kind === 'hmac' ? verification.headers : [verification.header]
  for (const name of names) {
    const given = new Set((headers[name] ?? []).map((it) => it.trim()).filter((it) => it !== ''))
    const [first] = given
    if (first !== undefined) return given.size === 1 ? first : { disbelief: 'wrong-signature' }
  }
  return { disbelief: 'no-signature' }
}

function withoutScheme(value: string): string {
  return value.replace(/^bearer +/i, '')
}

/** In a time that says nothing of either, not even of their lengths. */
function isSame(given: string, expected: string | Buffer): boolean {
  return timingSafeEqual(digestOf(given), digestOf(expected))
}

function digestOf(content: string | Buffer): Buffer {
  return createHash('sha256').update(content).digest()
}
