import type { Admission } from '../delivery/admission.ts'
import type { Settlement } from '../delivery/settlement.ts'
import type { TriggerStep } from '../intake/trigger-step.ts'
import type { Clock } from '../lib/clock.ts'
import { partsOf, type Registry } from '../registry/registry.ts'
import type { OwedByCause, ParkOwed } from './park-owed.ts'

export interface ParkAgainOptions {
  readonly admission: Pick<Admission, 'abandon' | 'refuse'>
  readonly clock: Clock
  /** The time for deliveries of an ending without a deadline. Milliseconds. */
  readonly deadlineMs: number
  readonly parkOwed: ParkOwed
  readonly settlement: Pick<Settlement, 'idle'>
}

const PARKED_AT_ONCE = 1_000

/** Runs past triggers again during a rebuild: parks what they are still owed, or ends it. */
export class ParkAgain {
  readonly #options: ParkAgainOptions

  constructor(options: ParkAgainOptions) {
    this.#options = options
  }

  /** Resolves when everything is parked. Throws when the store cannot be reached; safe to repeat. */
  async run(steps: readonly TriggerStep[], registry: Registry): Promise<void> {
    const { admission, clock, parkOwed, settlement } = this.#options
    const dueMs = clock.now()
    const untilMs = dueMs + this.#options.deadlineMs
    let groups: OwedByCause[] = []
    let owed = 0
    let hasFailed = false
    const flush = async (): Promise<void> => {
      for (const { cause, registration } of await parkOwed.park(groups)) {
        hasFailed = true
        if ('reason' in registration) admission.refuse(registration, cause, undefined)
        else admission.abandon({ registration, cause })
      }
      groups = []
      owed = 0
    }
    for (const answer of await registry.apply(steps)) {
      if (answer.kind !== 'owed') continue
      for await (const part of partsOf(answer)) {
        for (const { ending, registrations, broken } of part.groups) {
          const { deadlineMs = untilMs, ...cause } = ending
          groups.push({ cause, registrations, broken, deadlineMs, dueMs })
          owed += registrations.length + broken.length
        }
        if (owed >= PARKED_AT_ONCE) await flush()
      }
    }
    await flush()
    if (hasFailed) await settlement.idle()
  }
}
