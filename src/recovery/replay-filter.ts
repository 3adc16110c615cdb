import type { Registration } from '../events/registration.ts'
import type { Trigger } from '../events/trigger.ts'

/** Which part of a range is meant; what is not set does not matter. */
export interface ReplayFilter {
  readonly type?: Trigger['type']
  readonly issuer?: string
  readonly session?: string
  readonly user?: string
  readonly client?: string
}

/** False when nothing that the trigger is owed can be meant. It may not tell the session or the user itself. */
export function mayConcern(filter: ReplayFilter, trigger: Trigger): boolean {
  return (
    isWanted(filter.type, trigger.type) &&
    isWanted(filter.issuer, trigger.issuer) &&
    (trigger.sessionId === undefined || isWanted(filter.session, trigger.sessionId)) &&
    (trigger.userId === undefined || isWanted(filter.user, trigger.userId))
  )
}

/** Of a registration that cannot be read only its place is known, so only that is compared. */
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

function isWanted(wanted: string | undefined, found: string | undefined): boolean {
  return wanted === undefined || wanted === found
}
