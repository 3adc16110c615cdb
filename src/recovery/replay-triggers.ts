import { decodeRecord } from '../events/decode/decode-record.ts'
import { mayBeTrigger } from '../events/decode/known-types.ts'
import type { Trigger } from '../events/trigger.ts'
import type { WireRecord } from '../events/wire-record.ts'
import { causeOf, type TriggerStep, triggerStep } from '../intake/trigger-step.ts'
import type { RegistryAnswer } from '../registry/registry.ts'
import type { Patience } from './patience.ts'
import type { OwedByCause } from './redelivery.ts'
import type { ReplayBook } from './replay-book.ts'
import { concerns, mayConcern, type ReplayFilter } from './replay-filter.ts'

export interface ReplayTriggersOptions {
  readonly book: ReplayBook
  readonly defaultIssuer: string
  readonly filter: ReplayFilter
  readonly isServedIssuer: (issuer: string) => boolean
  readonly patience: Patience
  readonly signedOutWithoutSession: 'fan-out' | 'ignore'
  /** Triggers that share the round trips to the registry. */
  readonly sliceTriggers: number
}

export interface TakeTriggers {
  /** Ends the sessions, or only looks what is owed. */
  readonly ask: (steps: readonly TriggerStep[]) => Promise<readonly RegistryAnswer[]>
  readonly handOn: (owed: readonly OwedByCause[]) => Promise<void>
}

interface Item {
  readonly trigger: Trigger
  readonly step: TriggerStep
}

/** From the records of a range to what their triggers are still owed: decode, filter, ask the registry, hand on. */
export class ReplayTriggers {
  readonly #options: ReplayTriggersOptions

  constructor(options: ReplayTriggersOptions) {
    this.#options = options
  }

  async take(records: readonly WireRecord[], to: TakeTriggers): Promise<void> {
    const { patience, sliceTriggers } = this.#options
    let slice: Item[] = []
    for (const record of records) {
      if (patience.signal.aborted) return
      const item = this.#itemOf(record)
      if (item !== undefined) slice.push(item)
      if (slice.length < sliceTriggers) continue
      await this.#apply(slice, to)
      slice = []
    }
    await this.#apply(slice, to)
  }

  #itemOf(record: WireRecord): Item | undefined {
    const { book, defaultIssuer, filter, isServedIssuer, signedOutWithoutSession } = this.#options
    // Most of what is read are registrations and outcomes.
    if (!mayBeTrigger(record.type)) return undefined
    const decoded = decodeRecord(record, defaultIssuer)
    if (decoded.kind === 'poison') book.took(true, false)
    if (decoded.kind !== 'trigger') return undefined
    const { trigger } = decoded
    if (!mayConcern(filter, trigger)) {
      book.took(false)
      return undefined
    }
    const step = isServedIssuer(trigger.issuer) ? triggerStep(trigger, signedOutWithoutSession) : undefined
    book.took(true, step !== undefined)
    return step === undefined ? undefined : { trigger, step }
  }

  async #apply(slice: readonly Item[], { ask, handOn }: TakeTriggers): Promise<void> {
    const { filter, patience } = this.#options
    if (slice.length === 0) return
    const answers = await patience.repeat('Redis', () => ask(slice.map(({ step }) => step)))
    if (answers === undefined) return
    const owed: OwedByCause[] = []
    for (const [i, { trigger }] of slice.entries()) {
      const answer = answers[i]
      if (answer?.kind !== 'owed') continue
      const registrations = answer.registrations.filter((it) => concerns(filter, it))
      const broken = answer.broken.filter((it) => concerns(filter, { ...it.partial, ...it }))
      if (registrations.length + broken.length > 0) {
        owed.push({ cause: causeOf(trigger), registrations, broken })
      }
    }
    await handOn(owed)
  }
}
