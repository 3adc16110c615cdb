import type { Admission } from '../delivery/admission.ts'
import type { Backlog, ParkedDelivery } from '../delivery/backlog.ts'
import type { Settlement } from '../delivery/settlement.ts'
import type { TriggerStep } from '../intake/trigger-step.ts'
import type { Clock } from '../lib/clock.ts'
import type { OwedGroup } from '../registry/ending.ts'
import type { Registry } from '../registry/registry.ts'

export interface ParkAgainOptions {
  readonly admission: Pick<Admission, 'refuse'>
  readonly backlog: Pick<Backlog, 'makeDue'>
  readonly clock: Clock
  /** For an ending that does not say how long it is tried. Milliseconds. */
  readonly deadlineMs: number
  readonly settlement: Pick<Settlement, 'idle'>
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
  async run(steps: readonly TriggerStep[], registry: Registry): Promise<void> {
    const { admission, backlog, clock, settlement } = this.#options
    const now = clock.now()
    const parked: ParkedDelivery[] = []
    let refused = 0
    for (const answer of await registry.apply(steps)) {
      if (answer.kind !== 'owed') continue
      for (const group of answer.groups) {
        parked.push(...this.#parkedOf(group, now))
        for (const broken of group.broken) admission.refuse(broken, group.ending, undefined)
        refused += group.broken.length
      }
    }
    // What is parked already keeps its state, and what is leased is under way.
    await backlog.makeDue(parked, now)
    if (refused > 0) await settlement.idle()
  }

  #parkedOf({ ending, registrations }: OwedGroup, now: number): ParkedDelivery[] {
    const { deadlineMs = now + this.#options.deadlineMs, ...cause } = ending
    const state = { attempts: 0, doubtful: 0, cause, deadlineMs }
    return registrations.map(({ issuer, clientId, sessionId, oidcSessionId }) => ({
      rpKey: `${issuer}|${clientId}`,
      issuer,
      sessionId,
      oidcSessionId,
      state,
      dueMs: now,
    }))
  }
}
