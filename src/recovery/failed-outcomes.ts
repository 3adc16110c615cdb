import { registrationKey } from '../delivery/delivery.ts'
import { type FailedOutcomeResult, readFailedOutcome } from '../events/failed-outcome.ts'
import { outcomeTypes, readOutcome } from '../events/outcome.ts'
import type { Registration } from '../events/registration.ts'
import type { TriggerOrigin } from '../events/trigger.ts'
import { cloudEventType, type WireRecord } from '../events/wire-record.ts'
import { concerns, type ReplayFilter } from './replay-filter.ts'
import type { ReplayTally } from './replay-tally.ts'
import type { Selected } from './selection.ts'

type Failed = Extract<FailedOutcomeResult, { kind: 'failed' }> & {
  readonly trigger: TriggerOrigin | undefined
  /** A registration that was made later under the same ids is another one. Milliseconds since the epoch. */
  readonly untilMs: number
  /** When the outcome was written. Milliseconds since the epoch. */
  readonly recordedAtMs: number
}

export interface OwedByFailure extends Selected {
  readonly registration: Registration
  /** By which it was owed when it failed, as far as the outcome tells. */
  readonly trigger: TriggerOrigin | undefined
}

export interface FailedOutcomesOptions {
  readonly tally: ReplayTally
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
  /** By login: the same ids may be used again. */
  readonly #failed = new Map<string, Failed>()
  /** The dates of the logins that were told, by the name of the registration. */
  readonly #sent = new Map<string, Set<number>>()

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
    const owed = new Map<string, Failed>()
    for (const failed of this.#failed.values()) {
      const name = registrationKey(failed.registration)
      if (this.#wasSent(failed.registration)) continue
      // The registry has one place for the name, which is the last one's.
      owed.delete(name)
      owed.set(name, failed)
    }
    return [...owed.values()].map((failed) => {
      const { registration, origin, recordedAtMs, trace, trigger, untilMs } = failed
      const cause = {
        origin,
        // Each registration is told for itself: which of a user's were told together is not known any more.
        everywhere: false,
        // The same whenever it is asked, because what is parked by another one is another delivery.
        occurredAtMs:
          failed.occurredAtMs ?? Math.max(0, Math.min(recordedAtMs, nowMs) - 2 * this.#options.lateAfterMs),
        untilMs,
        ...trace,
      }
      return { cause, registration, registrations: [registration], broken: [], trigger }
    })
  }

  #takeSent(record: WireRecord): void {
    const settled = readOutcome(record)
    if (settled === undefined) return
    const name = registrationKey(settled)
    const dates = this.#sent.get(name) ?? new Set()
    this.#sent.set(name, dates.add(settled.registeredAtMs))
  }

  /** Of a failed one without a date nobody can say that another login was meant. */
  #wasSent(registration: Registration): boolean {
    const dates = this.#sent.get(registrationKey(registration))
    const { registeredAtMs } = registration
    return dates !== undefined && (registeredAtMs === undefined || dates.has(registeredAtMs))
  }

  #takeFailed(record: WireRecord): void {
    const { tally, filter, isServedIssuer, withDiscarded } = this.#options
    const outcome = readFailedOutcome(record)
    const settled = readOutcome(record)
    if (outcome?.kind !== 'failed' || settled === undefined) {
      tally.countRead(true, false)
      return
    }
    const { registration } = outcome
    const matches = concerns(filter, registration)
    const isServed = isServedIssuer(registration.issuer)
    const isWanted = !outcome.isDiscarded || withDiscarded
    tally.countRead(matches, isServed && isWanted)
    if (!matches || !isServed) return
    const login = `${registrationKey(registration)}\n${registration.registeredAtMs ?? ''}`
    this.#failed.delete(login)
    // What was given up after it had failed is not wanted any more either.
    if (!isWanted) return
    const untilMs = registration.registeredAtMs ?? settled.registeredAtMs
    const { origin: trigger, recordedAtMs } = settled
    this.#failed.set(login, { ...outcome, trigger, untilMs, recordedAtMs })
  }
}
