import { type Backlog, type ParkedDelivery, unattempted } from '../delivery/backlog.ts'
import type { DeliveryCause } from '../delivery/delivery.ts'
import type { Registration } from '../events/registration.ts'
import type { Clock } from '../lib/clock.ts'
import type { BrokenRegistration } from '../registry/registry.ts'

/** What one trigger, or one failed outcome, is still owed. */
export interface OwedByCause {
  readonly cause: DeliveryCause
  readonly registrations: readonly Registration[]
  /** They are parked as well: whoever claims them ends them as `failed: invalid`. */
  readonly broken: readonly BrokenRegistration[]
  /** Until then it may be tried. Milliseconds since the epoch. */
  readonly deadlineMs: number
  /** When it is due, unless it is parked already; in the future where a relay may have it in hand. Milliseconds since the epoch. */
  readonly dueMs: number
}

/** A delivery whose RP has no backlog: its key in Redis holds something else. */
export interface NotParked {
  readonly cause: DeliveryCause
  readonly registration: Registration | BrokenRegistration
}

export interface ParkOwedOptions {
  readonly backlog: Pick<Backlog, 'makeDue'>
  readonly clock: Clock
}

/**
 * Parks what is owed: as soon as it is parked it survives this process, however long an RP takes to answer, and every relay
 * takes part in the sending.
 */
export class ParkOwed {
  readonly #options: ParkOwedOptions

  constructor(options: ParkOwedOptions) {
    this.#options = options
  }

  /**
   * What is parked already keeps its state and is made due; what a relay holds is left to it. Resolves with what could not
   * be parked. Throws when the store cannot be reached; safe to repeat.
   */
  async park(groups: readonly OwedByCause[]): Promise<NotParked[]> {
    const { backlog, clock } = this.#options
    const parked: ParkedDelivery[] = []
    const names: NotParked[] = []
    for (const { cause, registrations, broken, deadlineMs, dueMs } of groups) {
      const park = (name: NotParked['registration'], clientId: string): void => {
        names.push({ cause, registration: name })
        parked.push(unattempted({ cause, deadlineMs, registration: { ...name, clientId } }, dueMs))
      }
      for (const it of registrations) park(it, it.clientId)
      for (const it of broken) park(it, it.partial.clientId ?? '')
    }
    if (parked.length === 0) return []
    const refused = await backlog.makeDue(parked, clock.now())
    return names.filter((_, i) => refused.has(parked[i]?.rpKey ?? ''))
  }
}
