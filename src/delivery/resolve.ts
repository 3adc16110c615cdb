import type { HeldRegistration } from '../registry/registry.ts'
import type { ParkedState } from './backlog.ts'
import type { Delivery, DeliveryCause, SourceRecord } from './delivery.ts'
import type { RelyingParties, RelyingParty } from './relying-party.ts'

/** A registration that must be told, with what is known of earlier attempts when it comes from the backlog. */
export interface Owed {
  readonly registration: HeldRegistration
  readonly cause: DeliveryCause
  readonly deadlineMs: number
  readonly sourceRecord?: SourceRecord
  readonly parked?: ParkedState
}

/**
 * Turns what is owed into deliveries: one per registration, but one for all registrations that a user has at an RP
 * which wants `sub` alone, because its first token ends them all.
 */
export function planDeliveries(
  owed: readonly Owed[],
  relyingParties: RelyingParties,
  isLate: (cause: DeliveryCause) => boolean = () => false,
): Delivery[] {
  const deliveries: Delivery[] = []
  const groups = new Map<string, { first: Owed; rp: RelyingParty; coalesced: Owed[] }>()
  for (const item of owed) {
    const { registration } = item
    const rp = relyingParties.get(registration.issuer, registration.clientId)
    if (!isToldOnce(item, rp) || isLate(item.cause)) {
      deliveries.push(delivery(item, rp, []))
      continue
    }
    // One that may be tried for longer must not end with the others, and stands in the backlog under its own deadline.
    const name = `${rp.key}\n${registration.sub}\n${item.cause.origin.id}\n${item.deadlineMs}`
    const group = groups.get(name)
    if (group === undefined) groups.set(name, { first: item, rp, coalesced: [] })
    else group.coalesced.push(item)
  }
  for (const { first, rp, coalesced } of groups.values()) deliveries.push(delivery(first, rp, coalesced))
  return deliveries
}

function isToldOnce({ registration, cause }: Owed, rp: RelyingParty): boolean {
  return (
    cause.everywhere &&
    // What was decided of one registration says nothing of the others.
    registration.pendingOutcome === undefined &&
    (rp.settings.sessionRequired ?? registration.sessionRequired) !== true &&
    // One without an address fails alone.
    (rp.settings.backchannelLogoutUri ?? registration.backchannelLogoutUri) !== undefined &&
    (rp.settings.claims ?? registration.claims ?? rp.defaultClaims) === 'sub'
  )
}

function delivery(item: Owed, rp: RelyingParty, coalesced: readonly Owed[]): Delivery {
  const { registration, cause, deadlineMs, parked } = item
  const sourceRecords: SourceRecord[] = []
  if (item.sourceRecord !== undefined) sourceRecords.push(item.sourceRecord)
  for (const { sourceRecord } of coalesced) if (sourceRecord !== undefined) sourceRecords.push(sourceRecord)
  return {
    rp,
    registration,
    coalesced: coalesced.map((coalesced) => coalesced.registration),
    cause,
    deadlineMs,
    attempts: parked?.attempts ?? 0,
    doubtful: parked?.doubtful ?? 0,
    // All from the beginning: what is added later costs an allocation for each delivery.
    lastStatus: parked?.lastStatus,
    lastError: parked?.lastError,
    origin: parked?.origin,
    isClaimed: parked !== undefined,
    isHeld: parked !== undefined,
    wasResent: false,
    sourceRecords,
    host: undefined,
    isUnproven: false,
    placeIn: undefined,
    placeBefore: undefined,
    placeAfter: undefined,
    startedAtLook: 0,
  }
}
