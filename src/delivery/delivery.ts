import type { Registration } from '../events/registration.ts'
import type { TriggerOrigin } from '../events/trigger.ts'
import type { HeldRegistration } from '../registry/registry.ts'
import type { Origin } from './origins.ts'
import type { Places } from './places.ts'
import type { RelyingParty } from './relying-party.ts'

/** The part of a trigger that its deliveries need. */
export interface DeliveryCause {
  readonly origin: TriggerOrigin
  /** Milliseconds since the epoch. */
  readonly occurredAtMs: number
  readonly traceparent?: string
  readonly tracestate?: string
  /** Registrations that were made later are not meant: they belong to a later login. Milliseconds since the epoch. */
  readonly untilMs?: number
  /** The user signed out everywhere: an RP that wants `sub` alone gets one token for all its registrations. */
  readonly everywhere: boolean
}

/** A record whose offset must not move before its deliveries are settled. */
export interface SourceRecord {
  acknowledge(): void
}

/** The logout owed to one RP for one registration. */
export interface Delivery {
  readonly rp: RelyingParty
  readonly registration: HeldRegistration
  /** Further registrations at the RP that the same token settles. */
  readonly coalesced: readonly Registration[]
  readonly cause: DeliveryCause
  /** After that no attempt is made. Milliseconds since the epoch. */
  readonly deadlineMs: number
  /** Attempts made so far; the running one is counted when it ends. */
  attempts: number
  /** How many of them ended in a doubtful answer (400, 3xx), or were refused by the egress guard. */
  doubtful: number
  lastStatus: number | undefined
  lastError: string | undefined
  /** Where the last attempt went: scheme, host and port. */
  origin: string | undefined
  /** It was taken out of the backlog: it counts as a further attempt, and may hold a place of those. */
  readonly isClaimed: boolean
  /** Set while it stands in the backlog, under a lease of this replica. */
  isHeld: boolean
  /** A reused connection was closed under the last attempt, which was made again at once. */
  wasResent: boolean
  readonly sourceRecords: SourceRecord[]
  /** Whose place it takes; set when it is taken up by the dispatcher, as what follows. */
  host: Origin | undefined
  /** It was started at an RP that has not shown that it is quick. */
  isUnproven: boolean
  /** The place that its attempt holds, between the attempts that began before and after it. */
  placeIn: Places | undefined
  placeBefore: Delivery | undefined
  placeAfter: Delivery | undefined
  startedAtLook: number
}

export function registrationKey({
  issuer,
  sessionId,
  oidcSessionId,
}: Pick<Registration, 'issuer' | 'sessionId' | 'oidcSessionId'>): string {
  return `${issuer}\n${sessionId}\n${oidcSessionId}`
}

/** The registrations that it tells of. */
export function subjectsOf({ registration, coalesced }: Delivery): readonly Registration[] {
  return coalesced.length === 0 ? [registration] : [registration, ...coalesced]
}
