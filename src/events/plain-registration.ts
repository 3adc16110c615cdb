import { endpointProblem } from './logout-endpoint.ts'
import { type Registration, tokenAlgorithms } from './registration.ts'

const PLAIN_FIELDS = new Set([
  'issuer',
  'sessionId',
  'oidcSessionId',
  'clientId',
  'userId',
  'sub',
  'sid',
  'backchannelLogoutUri',
  'registeredAt',
  'alg',
  'sessionRequired',
])
const PLAIN_ALGORITHMS = new Set<unknown>([...tokenAlgorithms, undefined])

/**
 * Reads the common form of a registration: known fields, plain ids, a time in milliseconds. `undefined` means that the schema
 * must decide. The schema costs five kilobytes of garbage per registration, and a mass logout reads millions. The schema
 * accepts the same input with the same result; a property test verifies it.
 */
export function readPlainRegistration(data: unknown): Registration | undefined {
  if (typeof data !== 'object' || data === null) return undefined
  for (const name in data) if (!PLAIN_FIELDS.has(name)) return undefined
  const fields = data as Record<string, unknown>
  const {
    issuer,
    sessionId,
    oidcSessionId,
    clientId,
    userId,
    backchannelLogoutUri,
    registeredAt,
    alg,
    sessionRequired,
  } = fields
  const { sub = userId, sid = sessionId } = fields
  if (!isPlainId(issuer) || !isPlainId(sessionId) || !isPlainId(oidcSessionId)) return undefined
  if (!isPlainId(clientId) || !isPlainId(userId) || !isPlainId(sub) || !isPlainId(sid)) return undefined
  const uri = backchannelLogoutUri
  if (uri !== undefined && (typeof uri !== 'string' || !isKnownEndpoint(uri))) return undefined
  const registeredAtMs = registeredAt === undefined ? undefined : plainInstant(registeredAt)
  if (registeredAt !== undefined && registeredAtMs === undefined) return undefined
  if (!PLAIN_ALGORITHMS.has(alg)) return undefined
  if (sessionRequired !== undefined && typeof sessionRequired !== 'boolean') return undefined
  return {
    issuer,
    sessionId,
    oidcSessionId,
    clientId,
    userId,
    sub,
    sid,
    ...(uri !== undefined && { backchannelLogoutUri: uri }),
    ...(alg !== undefined && { alg: alg as NonNullable<Registration['alg']> }),
    ...(sessionRequired !== undefined && { sessionRequired }),
    ...(registeredAtMs !== undefined && { registeredAtMs }),
  }
}

const UTC_INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$/

/** Milliseconds since the epoch, from a number or a date in the form of `toISOString`. */
function plainInstant(value: unknown): number | undefined {
  if (typeof value === 'number') return Number.isSafeInteger(value) && value >= 0 ? value : undefined
  if (typeof value !== 'string' || !UTC_INSTANT.test(value)) return undefined
  const ms = Date.parse(value)
  return Number.isNaN(ms) ? undefined : ms
}

/** Printable ASCII of bounded length, hence without control characters. */
const PLAIN_ID = /^[ -~]{1,1024}$/

function isPlainId(value: unknown): value is string {
  return typeof value === 'string' && PLAIN_ID.test(value)
}

const ENDPOINTS_MAX = 10_000
const knownEndpoints = new Set<string>()

/** Cached: an RP has one URI and thousands of sessions. */
function isKnownEndpoint(uri: string): boolean {
  if (knownEndpoints.has(uri)) return true
  if (endpointProblem(uri) !== undefined) return false
  if (knownEndpoints.size >= ENDPOINTS_MAX) knownEndpoints.clear()
  knownEndpoints.add(uri)
  return true
}
