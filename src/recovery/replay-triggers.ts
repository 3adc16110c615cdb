import type { DecodeResult } from '../events/decoding/decode-record.ts'
import type { WireRecord } from '../events/wire-record.ts'
import type { Pipeline } from '../intake/pipeline.ts'
import type { TriggerStep } from '../intake/trigger-step.ts'
import type { Clock } from '../lib/clock.ts'
import type { OwedGroup } from '../registry/ending.ts'
import { partsOf, type Registry } from '../registry/registry.ts'
import type { OutageBudget } from './outage-budget.ts'
import { concerns, mayConcern, type ReplayFilter } from './replay-filter.ts'
import type { ReplayTally } from './replay-tally.ts'
import type { Selected } from './selection.ts'

export interface ReplayTriggersOptions {
  readonly tally: ReplayTally
  readonly clock: Clock
  readonly filter: ReplayFilter
  readonly outageBudget: OutageBudget
  readonly pipeline: Pipeline
  /** Triggers that share the round trips to the registry. */
  readonly batchTriggers: number
}

export interface TakeTriggers {
  /** Ends the sessions, or only reads what is owed. */
  readonly ask: (steps: readonly TriggerStep[]) => Promise<readonly (readonly OwedGroup[])[]>
  readonly handOver: (owed: readonly Selected[]) => Promise<void>
}

/** Carries out the steps and returns what each is owed. */
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

/** Turns the records of a range into what their triggers are still owed: decodes, filters, asks the registry, hands over. */
export class ReplayTriggers {
  readonly #options: ReplayTriggersOptions
  readonly #reasons = new WeakMap<TriggerStep, string>()

  constructor(options: ReplayTriggersOptions) {
    this.#options = options
  }

  async take(records: readonly WireRecord[], to: TakeTriggers): Promise<void> {
    const { clock, outageBudget, pipeline, batchTriggers } = this.#options
    const steps: TriggerStep[] = []
    const collect = (decoded: DecodeResult): void => {
      const step = this.#stepOf(decoded)
      if (step !== undefined) steps.push(step)
    }
    for (const record of records) {
      if (outageBudget.signal.aborted) return
      // Most records are registrations and outcomes.
      pipeline.read(record, 'trigger', clock.now(), collect)
      if (steps.length >= batchTriggers) await this.#apply(steps.splice(0), to)
    }
    await this.#apply(steps, to)
  }

  /** Runs triggers that were read before. Their own deadlines do not count. */
  async runAgain(triggers: readonly TriggerStep[], to: TakeTriggers): Promise<void> {
    const { tally, clock, pipeline } = this.#options
    const now = clock.now()
    for (const _ of triggers) tally.countRead(true)
    const steps = triggers.map((it) => ({
      ...it,
      ending: { ...it.ending, deadlineMs: now + pipeline.deadlineMs(it.issuer) },
    }))
    await this.#apply(steps, to)
  }

  #stepOf(decoded: DecodeResult): TriggerStep | undefined {
    const { tally, clock, filter, pipeline } = this.#options
    if (decoded.kind === 'poison') tally.countRead(true, false)
    if (decoded.kind !== 'trigger') return undefined
    if (!mayConcern(filter, decoded.trigger)) {
      tally.countRead(false)
      return undefined
    }
    const step = pipeline.step(decoded, clock.now())
    const isUsable = step !== undefined && 'ending' in step
    tally.countRead(true, isUsable)
    if (!isUsable) return undefined
    if (decoded.trigger.reason !== undefined) this.#reasons.set(step, decoded.trigger.reason)
    return step
  }

  async #apply(steps: readonly TriggerStep[], to: TakeTriggers): Promise<void> {
    const { outageBudget, batchTriggers } = this.#options
    for (let i = 0; i < steps.length && !outageBudget.signal.aborted; i += batchTriggers)
      await this.#applyBatch(steps.slice(i, i + batchTriggers), to)
  }

  async #applyBatch(batch: readonly TriggerStep[], { ask, handOver }: TakeTriggers): Promise<void> {
    const { filter, outageBudget } = this.#options
    const answers = await outageBudget.repeat('Redis', () => ask(batch))
    if (answers === undefined) return
    const asked = answers.flatMap((groups, i) => groups.map((group) => ({ ...group, step: batch[i] })))
    const owed = asked.flatMap(({ ending, relation, step, ...group }): Selected[] => {
      const registrations = group.registrations.filter((it) => concerns(filter, it))
      const broken = group.broken.filter((it) => concerns(filter, { ...it.partial, ...it }))
      if (registrations.length + broken.length === 0) return []
      const { deadlineMs } = ending
      // A fresh ending was unknown to all relays, so none is delivering for it.
      const mayBeUnderWay = relation !== 'fresh'
      const deadline = deadlineMs !== undefined && { deadlineMs }
      // The reason of a further trigger is not that of the one which ended the session.
      const reason = step === undefined || relation === 'further' ? undefined : this.#reasons.get(step)
      const told = reason !== undefined && { reason }
      return [{ cause: ending, registrations, broken, mayBeUnderWay, ...deadline, ...told }]
    })
    await handOver(owed)
  }
}
