/**
 * Signature algorithms of logout tokens. `none` and the HMAC family are not among them (OIDC BCL 1.0 §2.4, §2.6). `EdDSA` is
 * the older name of `Ed25519` (RFC 9864): the same signature, but an RP compares the name.
 */
export const tokenAlgorithms = ['RS256', 'PS256', 'ES256', 'EdDSA', 'Ed25519'] as const
export type TokenAlgorithm = (typeof tokenAlgorithms)[number]

/**
 * The supported header types (OIDC BCL 1.0 §2.4). Some server accepts any other type as a token of its own: `at+jwt` is an
 * access token (RFC 9068 §4).
 */
export type TokenType = 'logout+jwt' | 'JWT'

/** Which of `sub` and `sid` a token carries. Every RP accepts `both`. */
export const subjectClaims = ['both', 'sub', 'sid'] as const
export type SubjectClaims = (typeof subjectClaims)[number]

/** One RP's OIDC session under one OP session: who must be told, where and with which claims. */
export interface Registration {
  readonly issuer: string
  readonly sessionId: string
  readonly oidcSessionId: string
  readonly clientId: string
  readonly userId: string
  /** The subject in the ID token of *this RP*. */
  readonly sub: string
  /** The `sid` in the ID token of *this RP*. */
  readonly sid: string
  /** Where its tokens go. Without it, to that of the client when they are sent. */
  readonly backchannelLogoutUri?: string
  /** The RP registered `backchannel_logout_session_required`: its tokens always carry `sid`. */
  readonly sessionRequired?: boolean
  readonly alg?: TokenAlgorithm
  /** The requested header type; see `ClientPolicy`. */
  readonly typ?: string
  readonly claims?: SubjectClaims
  /** Milliseconds since the epoch. */
  readonly registeredAtMs?: number
}

/** The JSON of a registration in the registry; `readRegistration` parses it. */
export function writeRegistration(registration: Registration): string {
  const { registeredAtMs, ...rest } = registration
  return JSON.stringify(registeredAtMs === undefined ? rest : { ...rest, registeredAt: registeredAtMs })
}
