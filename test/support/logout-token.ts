import { createLocalJWKSet, type JSONWebKeySet, type JWTPayload, jwtVerify } from 'jose'

const BACKCHANNEL_LOGOUT = 'http://schemas.openid.net/event/backchannel-logout'

export interface LogoutTokenExpectation {
  readonly jwks: JSONWebKeySet
  readonly issuer: string
  readonly clientId: string
  /** The JOSE header's; `logout+jwt` unless the RP is set to another. */
  readonly typ?: string
}

/** Verifies a logout token as a relying party does (OIDC BCL 1.0 §2.6), and returns its claims. Throws when it would refuse. */
export async function verifyLogoutToken(
  token: string,
  { jwks, issuer, clientId, typ = 'logout+jwt' }: LogoutTokenExpectation,
): Promise<JWTPayload> {
  const { payload, protectedHeader } = await jwtVerify(token, createLocalJWKSet(jwks), {
    issuer,
    typ,
    audience: clientId,
    algorithms: ['RS256', 'PS256', 'ES256', 'EdDSA', 'Ed25519'],
    requiredClaims: ['iat', 'exp', 'jti', 'events'],
    maxTokenAge: '1 minute',
  })
  const events = payload.events as Record<string, unknown>
  if (JSON.stringify(events) !== JSON.stringify({ [BACKCHANNEL_LOGOUT]: {} })) throw new Error('events')
  if (payload.sub === undefined && payload.sid === undefined) throw new Error('neither sub nor sid')
  if ('nonce' in payload) throw new Error('nonce')
  if (protectedHeader.kid === undefined) throw new Error('no kid')
  return payload
}
