import type { Admission } from '../delivery/admission.ts'
import type { Backlog, ParkedDelivery } from '../delivery/backlog.ts'
import type { Settlement } from '../delivery/settlement.ts'
import { decodeRecord } from '../events/decode/decode-record.ts'
import type { Trigger } from '../events/trigger.ts'
import { causeOf, type TriggerStep, triggerStep } from '../intake/trigger-step.ts'
import type { Clock } from '../lib/clock.ts'
import type { Registry } from '../registry/registry.ts'
import type { PastTrigger } from './store-from-log.ts'

export interface ParkAgainOptions {
  readonly admission: Pick<Admission, 'refuse'>
  readonly backlog: Pick<Backlog, 'park'>
  readonly clock: Clock
  readonly defaultIssuer: string
  readonly settlement: Pick<Settlement, 'idle'>
  readonly signedOutWithoutSession: 'fan-out' | 'ignore'
}

/**
 * Runs past triggers again by parking what they are still owed, due now: it survives this process as soon as it is
 * parked, however long an RP takes to answer, and every replica takes part in the sending.
 */
export class ParkAgain {
  readonly #options: ParkAgainOptions

  constructor(options: ParkAgainOptions) {
    this.#options = options
  }

  /** Resolves when everything is parked. Throws when the store cannot be reached; safe to repeat. */
  async run(triggers: readonly PastTrigger[], registry: Registry): Promise<void> {
    const { admission, backlog, clock, defaultIssuer, settlement, signedOutWithoutSession } = this.#options
    const taken: { trigger: Trigger; step: TriggerStep; deadlineMs: number }[] = []
    for (const { record, deadlineMs } of triggers) {
      const decoded = decodeRecord(record, defaultIssuer)
      if (decoded.kind !== 'trigger') continue
      const step = triggerStep(decoded.trigger, signedOutWithoutSession)
      if (step !== undefined) taken.push({ trigger: decoded.trigger, step, deadlineMs })
    }
    const answers = await registry.apply(taken.map(({ step }) => step))
    const dueMs = clock.now()
    const parked: ParkedDelivery[] = []
    let refused = 0
    for (const [i, { trigger, deadlineMs }] of taken.entries()) {
      const answer = answers[i]
      if (answer?.kind !== 'owed') continue
      const cause = causeOf(trigger)
      const state = { attempts: 0, doubtful: 0, cause, deadlineMs }
      for (const { issuer, clientId, sessionId, oidcSessionId } of answer.registrations)
        parked.push({ rpKey: `${issuer}|${clientId}`, issuer, sessionId, oidcSessionId, dueMs, state })
      for (const broken of answer.broken) admission.refuse(broken, cause, undefined)
      refused += answer.broken.length
    }
    await backlog.park(parked)
    if (refused > 0) await settlement.idle()
  }
}
