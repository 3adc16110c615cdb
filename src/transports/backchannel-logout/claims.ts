import type { Registration, SubjectClaims } from '../../events/registration.ts'

/** The claim that identifies a logout token (OIDC BCL 1.0 §2.4). */
const EVENTS = '{"http://schemas.openid.net/event/backchannel-logout":{}}'

export interface TokenRequest {
  readonly registration: Pick<Registration, 'issuer' | 'clientId' | 'sub' | 'sid'>
  /** The RP wants a `sid` in every token. */
  readonly sessionRequired: boolean | undefined
  /** OIDC BCL 1.0 §4 asks for a short life, preferably at most two minutes. Milliseconds. */
  readonly lifetimeMs: number
  readonly claims: SubjectClaims
  /** The user may have signed in again since. `sub` alone would end the new sessions too. */
  readonly late: boolean
}

/** Which of `sub` and `sid` go out, after the two rules that overrule the RP's setting. */
export function effectiveClaims({
  sessionRequired,
  claims,
  late,
}: Omit<TokenRequest, 'registration' | 'lifetimeMs'>): SubjectClaims {
  if (claims !== 'sub') return claims
  return sessionRequired === true || late ? 'both' : 'sub'
}

/**
 * The payload of a logout token as JSON (OIDC BCL 1.0 §2.4). `iss` is the registration's issuer byte for byte, `exp` is two
 * minutes after `iat`, and `nonce` never occurs. Built as text because it runs once per attempt, and an object with its
 * serialisation costs three times as much.
 */
export function logoutTokenPayload(request: TokenRequest, jti: string, nowMs: number): string {
  const { registration } = request
  const claims = effectiveClaims(request)
  const iat = Math.floor(nowMs / 1_000)
  const sub = claims === 'sid' ? '' : `,"sub":${JSON.stringify(registration.sub)}`
  const sid = claims === 'sub' ? '' : `,"sid":${JSON.stringify(registration.sid)}`
  return (
    `{"iss":${JSON.stringify(registration.issuer)},"aud":${JSON.stringify(registration.clientId)},` +
    `"iat":${iat},"exp":${iat + Math.floor(request.lifetimeMs / 1_000)},"jti":"${jti}","events":${EVENTS}${sub}${sid}}`
  )
}
