import type { Registration } from '../events/registration.ts'

export type LeasedName = Pick<Registration, 'issuer' | 'clientId' | 'sessionId' | 'oidcSessionId'>

/**
 * The leases of the backlog, for deliveries that do not come out of it: while one is held no replica claims a parked
 * delivery for the same registration. Every method throws when the store cannot be reached.
 */
export interface Leases {
  /** Takes a lease for each; false for those that somebody holds. Atomic for each. */
  take(names: readonly LeasedName[], nowMs: number, untilMs: number): Promise<boolean[]>
  /** Gives leases back that were taken with that end; one that belongs to somebody else by now stays. Idempotent. */
  release(leases: readonly { readonly name: LeasedName; readonly untilMs: number }[]): Promise<void>
}
