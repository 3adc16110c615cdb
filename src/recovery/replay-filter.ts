import type { Registration } from '../events/registration.ts'
import type { Trigger } from '../events/trigger.ts'

/** Selects part of a range. Unset fields match everything. */
export interface ReplayFilter {
  readonly type?: Trigger['type']
  /** Of triggers the reason that they state; of failed outcomes why they failed. */
  readonly reason?: string
  readonly issuer?: string
  readonly session?: string
  readonly user?: string
  readonly client?: string
}

/** False when the trigger cannot be owed anything that matches. It may not name the session or the user itself. */
export function mayConcern(filter: ReplayFilter, trigger: Trigger): boolean {
  return (
    isWanted(filter.type, trigger.type) &&
    isWanted(filter.reason, trigger.reason) &&
    isWanted(filter.issuer, trigger.issuer) &&
    (trigger.sessionId === undefined || isWanted(filter.session, trigger.sessionId)) &&
    (trigger.userId === undefined || isWanted(filter.user, trigger.userId))
  )
}

/** Of an unreadable registration only the key is known, so only the key is compared. */
export function concerns(
  filter: ReplayFilter,
  registration: Pick<Registration, 'issuer' | 'sessionId'> & Partial<Registration>,
): boolean {
  return (
    isWanted(filter.issuer, registration.issuer) &&
    isWanted(filter.session, registration.sessionId) &&
    isWanted(filter.user, registration.userId) &&
    isWanted(filter.client, registration.clientId)
  )
}

export function isWanted(wanted: string | undefined, found: string | undefined): boolean {
  return wanted === undefined || wanted === found
}
