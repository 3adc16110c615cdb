import type { Admission } from '../delivery/admission.ts'
import type { Backlog, ParkedDelivery } from '../delivery/backlog.ts'
import type { Settlement } from '../delivery/settlement.ts'
import type { TriggerStep } from '../intake/trigger-step.ts'
import type { Clock } from '../lib/clock.ts'
import type { OwedGroup } from '../registry/ending.ts'
import { partsOf, type Registry } from '../registry/registry.ts'

export interface ParkAgainOptions {
  readonly admission: Pick<Admission, 'abandon' | 'refuse'>
  readonly backlog: Pick<Backlog, 'makeDue'>
  readonly clock: Clock
  /** For an ending that does not say how long it is tried. Milliseconds. */
  readonly deadlineMs: number
  readonly settlement: Pick<Settlement, 'idle'>
}

const PARKED_AT_ONCE = 1_000

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
    let groups: OwedGroup[] = []
    let owed = 0
    let hasFailed = false
    const flush = async (): Promise<void> => {
      // What is parked already keeps its state, and what is leased is under way.
      const refused = await backlog.makeDue(
        groups.flatMap((group) => this.#parkedOf(group, now)),
        now,
      )
      for (const { ending: cause, registrations, broken } of groups) {
        const lost = registrations.filter(({ issuer, clientId }) => refused.has(`${issuer}|${clientId}`))
        for (const registration of lost) admission.abandon({ registration, cause })
        for (const it of broken) admission.refuse(it, cause, undefined)
        hasFailed ||= lost.length + broken.length > 0
      }
      groups = []
      owed = 0
    }
    for (const answer of await registry.apply(steps)) {
      if (answer.kind !== 'owed') continue
      for await (const part of partsOf(answer)) {
        groups.push(...part.groups)
        for (const { registrations } of part.groups) owed += registrations.length
        if (owed >= PARKED_AT_ONCE) await flush()
      }
    }
    await flush()
    if (hasFailed) await settlement.idle()
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
