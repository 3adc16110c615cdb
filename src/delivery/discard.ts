import type { Outcome, OutcomeSubject } from '../events/outcome.ts'
import type { OutcomeLog } from '../outcome/outcome-log.ts'
import { outcomeRecord } from '../outcome/outcome-record.ts'
import type { Registry } from '../registry/registry.ts'
import type { Backlog, ParkedDelivery, ParkedState } from './backlog.ts'

export interface DiscardOptions {
  readonly backlog: Pick<Backlog, 'remove'>
  readonly log: OutcomeLog
  readonly outcomeTopic: string
  readonly registry: Pick<Registry, 'find' | 'settle'>
}

/**
 * Gives up parked deliveries that the caller holds a lease on. Nothing is lost silently: each ends as `failed:
 * discarded`, with all that is needed to deliver it again, and in the order of a settlement: publish, remove the
 * registration, leave the backlog. A crash in between leaves the rest to the replicas, when the lease is over.
 * Resolves with what was owed; what had been settled meanwhile only leaves the backlog. Throws when Kafka or Redis
 * are out of reach.
 */
export async function discard(
  held: readonly ParkedDelivery[],
  { backlog, log, outcomeTopic, registry }: DiscardOptions,
): Promise<ParkedDelivery[]> {
  const found = await registry.find(held)
  const owed: ParkedDelivery[] = []
  const subjects: OutcomeSubject[] = []
  for (const [i, delivery] of held.entries()) {
    const registration = found[i]
    if (registration === undefined) continue
    const { issuer, sessionId, oidcSessionId } = delivery
    owed.push(delivery)
    subjects.push(
      'reason' in registration ? { ...registration.partial, issuer, sessionId, oidcSessionId } : registration,
    )
  }
  await log.append(
    owed.map(({ state }, i) =>
      outcomeRecord(outcomeTopic, discarded(state), subjects[i] as OutcomeSubject, state.cause),
    ),
  )
  await registry.settle(subjects)
  await backlog.remove(held)
  return owed
}

function discarded({ attempts, lastStatus, lastError }: ParkedState): Outcome {
  return {
    kind: 'failed',
    reason: 'discarded',
    attempts,
    ...(lastStatus !== undefined && { lastStatus }),
    lastError:
      lastError === undefined ? 'discarded by an operator' : `discarded by an operator after: ${lastError}`,
  }
}
