import { z } from 'zod'
import { describeProblems, identifier, optional } from './identifier.ts'
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
const TYPE_CHARACTERS_MAX = 64

/** The form of tokens for one RP. Each field has a default in the token code. */
export const rpSettingsSchema = z.object({
  alg: optional(z.enum(tokenAlgorithms)),
  typ: askedTokenType,
  claims: optional(z.enum(subjectClaims)),
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

/** A back-channel logout URI. */
export const endpoint = z.string().superRefine((uri, context) => {
  const problem = endpointProblem(uri)
  if (problem !== undefined) context.addIssue({ code: 'custom', message: problem })
})

export const registrationData = rpSettingsSchema.extend({
  issuer: optional(identifier),
  sessionId: identifier,
  oidcSessionId: identifier,
  clientId: identifier,
  userId: identifier,
  sub: optional(identifier),
  sid: optional(identifier),
  backchannelLogoutUri: optional(endpoint),
  sessionRequired: optional(z.boolean()),
  registeredAt: optional(instant),
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
