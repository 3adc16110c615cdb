import { decodeRecord } from '../events/decode/decode-record.ts'
import { mayBeTrigger } from '../events/decode/known-types.ts'
import type { WireRecord } from '../events/wire-record.ts'
import { type TriggerStep, triggerStep } from '../intake/trigger-step.ts'
import type { Clock } from '../lib/clock.ts'
import type { OwedGroup } from '../registry/ending.ts'
import { partsOf, type Registry } from '../registry/registry.ts'
import type { Patience } from './patience.ts'
import type { ReplayBook } from './replay-book.ts'
import { concerns, mayConcern, type ReplayFilter } from './replay-filter.ts'
import type { Selected } from './selection.ts'

export interface ReplayTriggersOptions {
  readonly book: ReplayBook
  readonly clock: Clock
  /** From now on, also for a trigger of long ago. Milliseconds. */
  readonly deadlineMs: number
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
  readonly ask: (steps: readonly TriggerStep[]) => Promise<readonly (readonly OwedGroup[])[]>
  readonly handOn: (owed: readonly Selected[]) => Promise<void>
}

/** What is owed by each of the steps, which are carried out. */
export async function endedBy(
  registry: Pick<Registry, 'apply'>,
  steps: readonly TriggerStep[],
): Promise<(readonly OwedGroup[])[]> {
  const owed: OwedGroup[][] = []
  for (const answer of await registry.apply(steps)) {
    const groups: OwedGroup[] = []
    if (answer.kind === 'owed') for await (const part of partsOf(answer)) groups.push(...part.groups)
    owed.push(groups)
  }
  return owed
}

/** From the records of a range to what their triggers are still owed: decode, filter, ask the registry, hand on. */
export class ReplayTriggers {
  readonly #options: ReplayTriggersOptions

  constructor(options: ReplayTriggersOptions) {
    this.#options = options
  }

  async take(records: readonly WireRecord[], to: TakeTriggers): Promise<void> {
    const { patience, sliceTriggers } = this.#options
    let slice: TriggerStep[] = []
    for (const record of records) {
      if (patience.signal.aborted) return
      const step = this.#stepOf(record)
      if (step !== undefined) slice.push(step)
      if (slice.length < sliceTriggers) continue
      await this.#apply(slice, to)
      slice = []
    }
    await this.#apply(slice, to)
  }

  #stepOf(record: WireRecord): TriggerStep | undefined {
    const { book, clock, deadlineMs, defaultIssuer, filter, isServedIssuer } = this.#options
    // Most of what is read are registrations and outcomes.
    if (!mayBeTrigger(record.type)) return undefined
    const decoded = decodeRecord(record, defaultIssuer, clock.now())
    if (decoded.kind === 'poison') book.took(true, false)
    if (decoded.kind !== 'trigger') return undefined
    const { trigger } = decoded
    if (!mayConcern(filter, trigger)) {
      book.took(false)
      return undefined
    }
    const step = isServedIssuer(trigger.issuer)
      ? triggerStep(trigger, this.#options.signedOutWithoutSession, clock.now() + deadlineMs)
      : undefined
    book.took(true, step !== undefined)
    return step
  }

  async #apply(slice: readonly TriggerStep[], { ask, handOn }: TakeTriggers): Promise<void> {
    const { filter, patience } = this.#options
    if (slice.length === 0) return
    const answers = await patience.repeat('Redis', () => ask(slice))
    if (answers === undefined) return
    const owed = answers.flat().flatMap(({ ending, relation, ...group }): Selected[] => {
      const registrations = group.registrations.filter((it) => concerns(filter, it))
      const broken = group.broken.filter((it) => concerns(filter, { ...it.partial, ...it }))
      if (registrations.length + broken.length === 0) return []
      const { deadlineMs } = ending
      // By an ending that nobody knew before nobody has anything in hand.
      const mayBeUnderWay = relation !== 'fresh'
      const deadline = deadlineMs !== undefined && { deadlineMs }
      return [{ cause: ending, registrations, broken, mayBeUnderWay, ...deadline }]
    })
    await handOn(owed)
  }
}
