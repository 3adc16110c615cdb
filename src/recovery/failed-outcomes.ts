import { registrationKey } from '../delivery/delivery.ts'
import { type FailedOutcomeResult, readFailedOutcome } from '../events/failed-outcome.ts'
import { outcomeTypes, readOutcome } from '../events/outcome.ts'
import type { Registration } from '../events/registration.ts'
import type { TriggerOrigin } from '../events/trigger.ts'
import { cloudEventType, type WireRecord } from '../events/wire-record.ts'
import type { OwedByCause } from './redelivery.ts'
import type { ReplayBook } from './replay-book.ts'
import { concerns, type ReplayFilter } from './replay-filter.ts'

type Failed = Extract<FailedOutcomeResult, { kind: 'failed' }> & {
  readonly trigger: TriggerOrigin | undefined
}

export interface OwedByFailure extends OwedByCause {
  readonly registration: Registration
  /** By which it was owed when it failed, as far as the outcome tells. */
  readonly trigger: TriggerOrigin | undefined
}

export interface FailedOutcomesOptions {
  readonly book: ReplayBook
  readonly filter: ReplayFilter
  readonly isServedIssuer: (issuer: string) => boolean
  /** An outcome that does not tell when its session ended counts as that old at least: then it is late. Milliseconds. */
  readonly lateAfterMs: number
  /** Also what an operator gave up. */
  readonly withDiscarded: boolean
}

/**
 * The failed outcomes of a range for whose registration nothing was sent, before or since. Of several for one
 * registration the last counts: what became of it is known from there.
 */
export class FailedOutcomes {
  readonly #options: FailedOutcomesOptions
  readonly #failed = new Map<string, Failed>()
  readonly #sent = new Set<string>()

  constructor(options: FailedOutcomesOptions) {
    this.#options = options
  }

  /** `isInRange`: false for what was written after the range, of which only what was sent counts. */
  take(records: readonly WireRecord[], isInRange: (record: WireRecord) => boolean): void {
    for (const record of records) {
      const type = cloudEventType(record)
      if (type === outcomeTypes.sent) this.#takeSent(record)
      else if (type === outcomeTypes.failed && isInRange(record)) this.#takeFailed(record)
    }
  }

  /** What is owed, in the order in which it failed. `nowMs`: milliseconds since the epoch. */
  owed(nowMs: number): OwedByFailure[] {
    return [...this.#failed].flatMap(([name, { registration, origin, occurredAtMs, trace, trigger }]) => {
      if (this.#sent.has(name)) return []
      const cause = {
        origin,
        // Each registration is told for itself: which of a user's were told together is not known any more.
        everywhere: false,
        occurredAtMs: occurredAtMs ?? nowMs - 2 * this.#options.lateAfterMs,
        ...trace,
      }
      return [{ cause, registration, registrations: [registration], broken: [], trigger }]
    })
  }

  #takeSent(record: WireRecord): void {
    const settled = readOutcome(record)
    if (settled !== undefined) this.#sent.add(registrationKey(settled))
  }

  #takeFailed(record: WireRecord): void {
    const { book, filter, isServedIssuer, withDiscarded } = this.#options
    const outcome = readFailedOutcome(record)
    if (outcome?.kind !== 'failed') {
      book.took(true, false)
      return
    }
    const { registration } = outcome
    const matches = concerns(filter, registration)
    const isServed = isServedIssuer(registration.issuer)
    const isWanted = !outcome.isDiscarded || withDiscarded
    book.took(matches, isServed && isWanted)
    if (!matches || !isServed) return
    const name = registrationKey(registration)
    this.#failed.delete(name)
    // What was given up after it had failed is not wanted any more either.
    if (isWanted) this.#failed.set(name, { ...outcome, trigger: readOutcome(record)?.origin })
  }
}
