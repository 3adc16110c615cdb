import type { FailedOutcome, Outcome, OutcomeSubject } from '../events/outcome.ts'
import { isDatedUntil } from '../registry/ending.ts'
import type { BrokenRegistration, HeldRegistration, Registry } from '../registry/registry.ts'
import type { Backlog, ParkedDelivery, ParkedState } from './backlog.ts'
import type { OutcomeLog, OutgoingRecord } from './outcome-log.ts'
import { outcomeRecord } from './outcome-record.ts'

export interface DiscardOptions {
  readonly backlog: Pick<Backlog, 'remove'>
  readonly log: OutcomeLog
  /** How a discarded delivery ends: in shadow mode as `shadowed`. */
  readonly outcomeOf?: (failed: FailedOutcome) => Outcome
  readonly outcomeTopic: string
  readonly registry: Pick<Registry, 'areSettled' | 'find' | 'settle'>
  /** Who or what gives them up, for whoever reads the outcome. */
  readonly why?: string
}

/**
 * Gives up parked deliveries that the caller holds a lease on. Nothing is lost silently: each ends as `failed:
 * discarded`, with all that is needed to deliver it again, and in the order of a settlement: publish, remove the
 * registration, leave the backlog. A crash in between leaves the rest to the replicas, when the lease is over.
 * Resolves with what was given up; what had been settled meanwhile only leaves the backlog, and what had been decided
 * ends as it was. Throws when Kafka or Redis are out of reach.
 */
export async function discard(
  held: readonly ParkedDelivery[],
  {
    backlog,
    log,
    outcomeOf = (failed) => failed,
    outcomeTopic,
    registry,
    why = 'discarded by an operator',
  }: DiscardOptions,
): Promise<ParkedDelivery[]> {
  const found = await registry.find(held)
  // What is not there and was not settled has expired, and ends with an outcome all the same.
  const areSettled = await registry.areSettled(held)
  const owed: ParkedDelivery[] = []
  const subjects: OutcomeSubject[] = []
  const records: OutgoingRecord[] = []
  for (const [i, delivery] of held.entries()) {
    const registration = meantBy(delivery, found[i]) ?? unlessSettled(delivery, areSettled[i])
    if (registration === undefined || ('isShadowed' in registration && registration.isShadowed)) continue
    const { issuer, sessionId, oidcSessionId, state } = delivery
    const isBroken = 'reason' in registration
    const subject = isBroken ? { ...registration.partial, issuer, sessionId, oidcSessionId } : registration
    const pending = isBroken ? undefined : registration.pendingOutcome
    subjects.push(subject)
    if (pending === undefined) owed.push(delivery)
    const cause = pending === undefined ? state.cause : { ...pending, everywhere: false }
    records.push(
      outcomeRecord(outcomeTopic, pending?.outcome ?? outcomeOf(discarded(state, why)), subject, cause),
    )
  }
  await log.append(records)
  await registry.settle(subjects)
  await backlog.remove(held)
  return owed
}

/** What is found may be a later login under the same ids, of which nothing is given up. */
function meantBy(
  { state: { cause } }: ParkedDelivery,
  found: HeldRegistration | BrokenRegistration | undefined,
): HeldRegistration | BrokenRegistration | undefined {
  if (found === undefined || 'reason' in found || cause.untilMs === undefined) return found
  return isDatedUntil(found, cause.untilMs) ? found : undefined
}

function unlessSettled(
  { issuer, sessionId, oidcSessionId, rpKey, state: { cause } }: ParkedDelivery,
  isSettled: boolean | undefined,
): BrokenRegistration | undefined {
  if (isSettled === true) return undefined
  const partial = {
    clientId: rpKey.slice(rpKey.indexOf('|') + 1),
    ...(cause.untilMs !== undefined && { registeredAtMs: cause.untilMs }),
  }
  return { issuer, sessionId, oidcSessionId, reason: 'it is no longer in Redis', partial }
}

function discarded({ attempts, lastStatus, lastError }: ParkedState, why: string): FailedOutcome {
  return {
    kind: 'failed',
    reason: 'discarded',
    attempts,
    ...(lastStatus !== undefined && { lastStatus }),
    lastError: lastError === undefined ? why : `${why} after: ${lastError}`,
  }
}
