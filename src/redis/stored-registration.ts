import { readRegistration } from '../events/read-registration.ts'
import type { BrokenRegistration, HeldRegistration, RegistrationKey } from '../registry/registry.ts'
import { NO_HASH, REGISTRATION_BYTES_MAX } from './bounded-reads.ts'
import { readPendingOutcome } from './pending-outcome.ts'

export interface StoredSession {
  readonly registrations: readonly HeldRegistration[]
  readonly broken: readonly BrokenRegistration[]
}

const NO_REGISTRATIONS = 'another application uses the key of the session in Redis'

/** A session whose key holds foreign data. What it is owed is unknown and reported as a failure. */
export function unreadableSession({
  issuer,
  sessionId,
}: Pick<RegistrationKey, 'issuer' | 'sessionId'>): StoredSession {
  return {
    registrations: [],
    broken: [{ issuer, sessionId, oidcSessionId: '', reason: NO_REGISTRATIONS, partial: {} }],
  }
}

/** A registration's JSON, or the length of one that is too large to read. */
export type StoredValue = string | number

/** Reads a flat list of fields and values. */
export function readSession(reply: unknown, issuer: string, sessionId: string): StoredSession {
  const flat = reply as StoredValue[]
  const registrations: HeldRegistration[] = []
  const broken: BrokenRegistration[] = []
  for (let i = 0; i < flat.length; i += 2) {
    const key = { issuer, sessionId, oidcSessionId: flat[i] as string }
    const found = readStored(flat[i + 1] as StoredValue, key)
    if ('reason' in found) broken.push(found)
    else registrations.push(found)
  }
  return { registrations, broken }
}

/** The ids of the key override those inside the JSON: they were looked up and will be removed. */
export function readStored(json: StoredValue, key: RegistrationKey): HeldRegistration | BrokenRegistration {
  const { issuer, sessionId, oidcSessionId } = key
  if (json === NO_HASH) return { issuer, sessionId, oidcSessionId, reason: NO_REGISTRATIONS, partial: {} }
  const bytes = typeof json === 'number' ? json : bytesOf(json)
  if (typeof json === 'number' || bytes > REGISTRATION_BYTES_MAX) {
    const [has, most] = [bytes, REGISTRATION_BYTES_MAX].map((it) => it.toLocaleString('en'))
    const reason = `registration: has ${has} bytes, but may have at most ${most}`
    return { issuer, sessionId, oidcSessionId, reason, partial: {} }
  }
  let data: unknown
  try {
    data = JSON.parse(json)
  } catch {
    return { issuer, sessionId, oidcSessionId, reason: 'registration: is not JSON', partial: {} }
  }
  const whole =
    typeof data === 'object' && data !== null ? { ...data, issuer, sessionId, oidcSessionId } : data
  const result = readRegistration(whole, issuer)
  if (result.kind === 'registration') {
    const pendingOutcome = readPendingOutcome(data)
    const { reopenedAt, shadowed } = data as { readonly reopenedAt?: unknown; readonly shadowed?: unknown }
    if (pendingOutcome === undefined && typeof reopenedAt !== 'number' && shadowed === undefined) {
      return result.registration
    }
    return {
      ...result.registration,
      ...(shadowed === true && { isShadowed: true }),
      ...(pendingOutcome !== undefined && { pendingOutcome }),
      ...(typeof reopenedAt === 'number' && { reopenedAtMs: reopenedAt }),
    }
  }
  return { issuer, sessionId, oidcSessionId, reason: result.reason, partial: result.partial }
}

/** The length in characters, if that proves that it is small enough. */
function bytesOf(json: string): number {
  return json.length <= REGISTRATION_BYTES_MAX / 3 ? json.length : Buffer.byteLength(json)
}
