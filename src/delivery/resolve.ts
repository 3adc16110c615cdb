import type { HeldRegistration } from '../registry/registry.ts'
import type { ParkedState } from './backlog.ts'
import type { Creditor, Delivery, DeliveryCause } from './delivery.ts'
import type { RelyingParties, RelyingParty } from './relying-party.ts'

/** A registration that must be told, with what is known of earlier attempts when it comes from the backlog. */
export interface Owed {
  readonly registration: HeldRegistration
  readonly cause: DeliveryCause
  readonly deadlineMs: number
  readonly creditor?: Creditor
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
  const groups = new Map<string, { first: Owed; rp: RelyingParty; companions: Owed[] }>()
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
    if (group === undefined) groups.set(name, { first: item, rp, companions: [] })
    else group.companions.push(item)
  }
  for (const { first, rp, companions } of groups.values()) deliveries.push(delivery(first, rp, companions))
  return deliveries
}

function isToldOnce({ registration, cause }: Owed, rp: RelyingParty): boolean {
  return (
    cause.everywhere &&
    // What was decided of one registration says nothing of the others.
    registration.pendingOutcome === undefined &&
    registration.sessionRequired !== true &&
    (rp.settings.claims ?? registration.claims) === 'sub'
  )
}

function delivery(item: Owed, rp: RelyingParty, companions: readonly Owed[]): Delivery {
  const { registration, cause, deadlineMs, parked } = item
  const creditors: Creditor[] = []
  if (item.creditor !== undefined) creditors.push(item.creditor)
  for (const { creditor } of companions) if (creditor !== undefined) creditors.push(creditor)
  return {
    rp,
    registration,
    companions: companions.map((companion) => companion.registration),
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
    creditors,
    host: undefined,
    isUnproven: false,
    placeIn: undefined,
    placeBefore: undefined,
    placeAfter: undefined,
    startedAtLook: 0,
  }
}
