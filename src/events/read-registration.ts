import { z } from 'zod'
import { describeProblems, ISSUER_MEANING, identifier, optional } from './identifier.ts'
import { endpointProblem } from './logout-endpoint.ts'
import { readPlainRegistration } from './plain-registration.ts'
import { type Registration, subjectClaims, tokenAlgorithms } from './registration.ts'

/**
 * The requested header type. It never invalidates a registration, because only the operator's configuration decides. It is
 * kept for the operator's information.
 */
const askedTokenType = z
  .unknown()
  .transform((typ) => {
    if (typ == null || typ === '') return undefined
    return typeof typ === 'string' ? typ.slice(0, TYPE_CHARACTERS_MAX) : `a ${typeof typ}`
  })
  .optional()
  .describe('Has no effect; only the configuration of the relay decides the header type of a token.')
const TYPE_CHARACTERS_MAX = 64

/** The form of tokens for one RP. Each field has a default in the token code. */
export const rpSettingsSchema = z.object({
  alg: optional(z.enum(tokenAlgorithms)).describe('Signature algorithm of its logout tokens.'),
  typ: askedTokenType,
  claims: optional(z.enum(subjectClaims)).describe('Which of `sub` and `sid` its logout tokens carry.'),
})

/**
 * A number of milliseconds or an ISO 8601 date, converted to milliseconds since the epoch. Accepts any number: an implausible
 * time is no worse than none.
 */
const instant = z.union([
  z.number().transform(Math.trunc),
  z.string().transform((text, context) => {
    const ms = /^-?\d+(\.\d+)?$/.test(text) ? Math.trunc(Number(text)) : Date.parse(text)
    if (!Number.isNaN(ms)) return ms
    context.addIssue({ code: 'custom', message: 'must be an ISO 8601 date or milliseconds since the epoch' })
    return z.NEVER
  }),
])

/** A back-channel logout URI. `meta`: what of `endpointProblem` a JSON Schema can say. */
export const endpoint = z
  .string()
  .superRefine((uri, context) => {
    const problem = endpointProblem(uri)
    if (problem !== undefined) context.addIssue({ code: 'custom', message: problem })
  })
  .meta({ maxLength: 2_048, pattern: '^[Hh][Tt][Tt][Pp][Ss]?://[^/\\s\\\\#][^\\s\\\\#]*$' })

export const registrationData = z.object({
  issuer: optional(identifier).describe(ISSUER_MEANING),
  sessionId: identifier.describe('The session at the provider.'),
  oidcSessionId: identifier.describe(
    'Names the registration within the session; a repeated one replaces the earlier.',
  ),
  clientId: identifier.describe('`client_id` of the RP.'),
  userId: identifier.describe('The user at the provider.'),
  sub: optional(identifier).describe('`sub` of the ID token of this RP. Default: `userId`.'),
  sid: optional(identifier).describe('`sid` of the ID token of this RP. Default: `sessionId`.'),
  backchannelLogoutUri: optional(endpoint).describe(
    'Where its logout tokens go: an absolute https (or http) URI without fragment and credentials. Default: that of the client when they are sent.',
  ),
  sessionRequired: optional(z.boolean()).describe('The RP wants `sid` in every logout token.'),
  registeredAt: optional(instant).describe(
    'When the login was: ISO 8601, or milliseconds since the epoch. Default: the time of the record.',
  ),
  ...rpSettingsSchema.shape,
})

export type RegistrationResult =
  | { readonly kind: 'registration'; readonly registration: Registration }
  | { readonly kind: 'invalid'; readonly reason: string; readonly partial: Partial<Registration> }

/** Validates a registration and adds defaults. `issuer` is used if the data names none. */
export function readRegistration(data: unknown, issuer: string): RegistrationResult {
  const plain = readPlainRegistration(data)
  if (plain !== undefined) return { kind: 'registration', registration: plain }
  const parsed = registrationData.safeParse(data)
  if (!parsed.success) {
    return { kind: 'invalid', reason: describeProblems(parsed.error), partial: recognisable(data) }
  }
  const { sub, sid, backchannelLogoutUri, sessionRequired, alg, typ, claims, registeredAt, ...rest } =
    parsed.data
  return {
    kind: 'registration',
    registration: {
      issuer: rest.issuer ?? issuer,
      sessionId: rest.sessionId,
      oidcSessionId: rest.oidcSessionId,
      clientId: rest.clientId,
      userId: rest.userId,
      sub: sub ?? rest.userId,
      sid: sid ?? rest.sessionId,
      ...(backchannelLogoutUri !== undefined && { backchannelLogoutUri }),
      ...(sessionRequired !== undefined && { sessionRequired }),
      ...(alg !== undefined && { alg }),
      ...(typ !== undefined && { typ }),
      ...(claims !== undefined && { claims }),
      ...(registeredAt !== undefined && { registeredAtMs: registeredAt }),
    },
  }
}

/** The readable fields of an invalid registration, to report its failure under a name. */
function recognisable(data: unknown): Partial<Registration> {
  if (typeof data !== 'object' || data === null) return {}
  const found: Record<string, string> = {}
  for (const name of ['clientId', 'userId', 'sub', 'sid', 'backchannelLogoutUri'] as const) {
    const value = (data as Record<string, unknown>)[name]
    if (typeof value === 'string' && value.length <= 2_048) found[name] = value
  }
  return found
}
