import { readRegistration } from '../events/read-registration.ts'
import type { BrokenRegistration, HeldRegistration, RegistrationKey } from '../registry/registry.ts'
import { readPendingOutcome } from './pending-outcome.ts'

/** What a session's hash holds. */
export interface StoredSession {
  readonly registrations: readonly HeldRegistration[]
  readonly broken: readonly BrokenRegistration[]
}

/** What is owed by a session whose key holds something else: nobody knows, and that is told as a failure. */
export function unreadableSession({
  issuer,
  sessionId,
}: Pick<RegistrationKey, 'issuer' | 'sessionId'>): StoredSession {
  const reason = 'the key of the session in Redis holds something else than registrations'
  return {
    registrations: [],
    broken: [{ issuer, sessionId, oidcSessionId: '', reason, partial: {} }],
  }
}

/** Reads a flat list of fields and values. */
export function readSession(reply: unknown, issuer: string, sessionId: string): StoredSession {
  const flat = reply as string[]
  const registrations: HeldRegistration[] = []
  const broken: BrokenRegistration[] = []
  for (let i = 0; i < flat.length; i += 2) {
    const found = readStored(flat[i + 1] as string, { issuer, sessionId, oidcSessionId: flat[i] as string })
    if ('reason' in found) broken.push(found)
    else registrations.push(found)
  }
  return { registrations, broken }
}

/** The key's own ids win over those inside the JSON: they are what was looked up and what will be removed. */
export function readStored(json: string, key: RegistrationKey): HeldRegistration | BrokenRegistration {
  const { issuer, sessionId, oidcSessionId } = key
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
    return pendingOutcome === undefined ? result.registration : { ...result.registration, pendingOutcome }
  }
  return { issuer, sessionId, oidcSessionId, reason: result.reason, partial: result.partial }
}
