import { type Backlog, type ParkedDelivery, unattempted } from '../delivery/backlog.ts'
import type { DeliveryCause } from '../delivery/delivery.ts'
import type { Registration } from '../events/registration.ts'
import type { Clock } from '../lib/clock.ts'
import type { BrokenRegistration } from '../registry/registry.ts'

/** What one trigger, or one failed outcome, is still owed. */
export interface OwedByCause {
  readonly cause: DeliveryCause
  readonly registrations: readonly Registration[]
  /** They are parked too. The relay that claims one ends it as `failed: invalid`. */
  readonly broken: readonly BrokenRegistration[]
  /** No attempt is made after it. Milliseconds since the epoch. */
  readonly deadlineMs: number
  /** When an unparked delivery becomes due: in the future if a relay may be delivering it. Milliseconds since the epoch. */
  readonly dueMs: number
}

/** A delivery whose RP has no backlog, because its key in Redis holds foreign data. */
export interface NotParked {
  readonly cause: DeliveryCause
  readonly registration: Registration | BrokenRegistration
}

export interface ParkOwedOptions {
  readonly backlog: Pick<Backlog, 'makeDue'>
  readonly clock: Clock
}

/** Parks what is owed. Parked deliveries survive this process, and all relays share the sending. */
export class ParkOwed {
  readonly #options: ParkOwedOptions

  constructor(options: ParkOwedOptions) {
    this.#options = options
  }

  /**
   * A parked delivery keeps its state and becomes due. A leased one stays with its relay. Resolves with what could not be
   * parked. Throws when the store cannot be reached; safe to repeat.
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
