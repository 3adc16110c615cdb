import { registrationKey } from '../delivery/delivery.ts'
import { type FailedOutcomeResult, readFailedOutcome } from '../events/failed-outcome.ts'
import { outcomeTypes, readOutcome } from '../events/outcome.ts'
import type { Registration } from '../events/registration.ts'
import type { TriggerOrigin } from '../events/trigger.ts'
import { cloudEventType, type WireRecord } from '../events/wire-record.ts'
import { concerns, isWanted, type ReplayFilter } from './replay-filter.ts'
import type { ReplayTally } from './replay-tally.ts'
import type { Selected } from './selection.ts'

type Failed = Extract<FailedOutcomeResult, { kind: 'failed' }> & {
  readonly trigger: TriggerOrigin | undefined
  /** Registrations made later under the same ids are other ones. Milliseconds since the epoch. */
  readonly untilMs: number
  /** When the outcome was written. Milliseconds since the epoch. */
  readonly recordedAtMs: number
}

export interface OwedByFailure extends Selected {
  readonly registration: Registration
  /** The trigger of the failed delivery, if the outcome names it. */
  readonly trigger: TriggerOrigin | undefined
}

export interface FailedOutcomesOptions {
  readonly tally: ReplayTally
  readonly filter: ReplayFilter
  readonly isServedIssuer: (issuer: string) => boolean
  /** Whether its client is retired: it would fail for that again. */
  readonly isRetired: (registration: Registration) => boolean
  /** The minimum age of an outcome that does not say when its session ended, so that it counts as late. Milliseconds. */
  readonly lateAfterMs: number
  /** Includes deliveries that an operator discarded. */
  readonly withDiscarded: boolean
}

/**
 * The failed outcomes of a range whose registration was not sent before or since. Of several for one registration only the
 * last counts.
 */
export class FailedOutcomes {
  readonly #options: FailedOutcomesOptions
  /** By login, because ids may be reused. */
  readonly #failed = new Map<string, Failed>()
  /** The dates of the logins that were sent, by registration. */
  readonly #sent = new Map<string, Set<number>>()

  constructor(options: FailedOutcomesOptions) {
    this.#options = options
  }

  /** `isInRange`: false for records after the range, of which only sent outcomes count. */
  take(records: readonly WireRecord[], isInRange: (record: WireRecord) => boolean): void {
    for (const record of records) {
      const type = cloudEventType(record)
      if (type === outcomeTypes.sent) this.#takeSent(record)
      else if (type === outcomeTypes.failed && isInRange(record)) this.#takeFailed(record)
    }
  }

  /** What is owed, in the order of failure. `nowMs`: milliseconds since the epoch. */
  owed(nowMs: number): OwedByFailure[] {
    const owed = new Map<string, Failed>()
    for (const failed of this.#failed.values()) {
      const name = registrationKey(failed.registration)
      if (this.#wasSent(failed.registration)) continue
      // The registry has one entry per key, for the last registration.
      owed.delete(name)
      owed.set(name, failed)
    }
    return [...owed.values()].map((failed) => {
      const { registration, origin, reason, recordedAtMs, trace, trigger, untilMs } = failed
      const cause = {
        origin,
        // Each registration is sent alone: the outcome does not say which were coalesced.
        everywhere: false,
        // The same value each time, because a delivery with another value is parked as another one.
        occurredAtMs:
          failed.occurredAtMs ?? Math.max(0, Math.min(recordedAtMs, nowMs) - 2 * this.#options.lateAfterMs),
        untilMs,
        ...trace,
      }
      const why = reason !== undefined && { reason }
      return { cause, registration, registrations: [registration], broken: [], trigger, ...why }
    })
  }

  #takeSent(record: WireRecord): void {
    const settled = readOutcome(record)
    if (settled === undefined) return
    const name = registrationKey(settled)
    const dates = this.#sent.get(name) ?? new Set()
    this.#sent.set(name, dates.add(settled.registeredAtMs))
  }

  /** Without a date any sent outcome of the ids counts. */
  #wasSent(registration: Registration): boolean {
    const dates = this.#sent.get(registrationKey(registration))
    const { registeredAtMs } = registration
    return dates !== undefined && (registeredAtMs === undefined || dates.has(registeredAtMs))
  }

  #takeFailed(record: WireRecord): void {
    const { tally, filter, isRetired, isServedIssuer, withDiscarded } = this.#options
    const outcome = readFailedOutcome(record)
    const settled = readOutcome(record)
    if (outcome?.kind !== 'failed' || settled === undefined) {
      tally.countRead(true, false)
      return
    }
    const { registration } = outcome
    const matches = concerns(filter, registration)
    const isServed = isServedIssuer(registration.issuer)
    const isForReason = isWanted(filter.reason, outcome.reason)
    const isUsable = (!outcome.isDiscarded || withDiscarded) && !isRetired(registration)
    tally.countRead(matches && isForReason, isServed && isUsable)
    if (!matches || !isServed) return
    const login = `${registrationKey(registration)}\n${registration.registeredAtMs ?? ''}`
    this.#failed.delete(login)
    // A delivery that was discarded after it had failed is no longer wanted, nor one that has failed otherwise since.
    if (!isUsable || !isForReason) return
    const untilMs = registration.registeredAtMs ?? settled.registeredAtMs
    const { origin: trigger, recordedAtMs } = settled
    this.#failed.set(login, { ...outcome, trigger, untilMs, recordedAtMs })
  }
}
