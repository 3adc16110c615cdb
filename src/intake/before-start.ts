import type { RecordPosition } from '../events/wire-record.ts'
import { settledInSilence } from '../registry/ending.ts'
import type { OwedAnswer, Registry, RegistryAnswer, RegistryStep } from '../registry/registry.ts'

export interface BeforeStartOptions {
  readonly registry: Pick<Registry, 'forget'>
  /** Whether the record was on the log when the group first started. Throws when that cannot be looked up. */
  readonly isBeforeStart: (record: RecordPosition) => Promise<boolean>
}

/**
 * What stood on the log at the first start of the group, but behind another producer's open transaction, comes through the
 * group when that has ended. As in a rebuild its registrations count, and its triggers end their sessions without an
 * outcome.
 */
export class BeforeStart {
  readonly #options: BeforeStartOptions

  constructor(options: BeforeStartOptions) {
    this.#options = options
  }

  /** What is left to do of the registry's answer to a record from before the start. Throws as the registry does; safe to repeat. */
  async settleSilently(step: RegistryStep, answer: RegistryAnswer): Promise<RegistryAnswer> {
    if (answer.kind === 'owed') return this.#settleOwed(answer)
    if (step.kind !== 'register' || answer.kind !== 'registered' || answer.endedBy === undefined)
      return answer
    const { registration } = step
    // Its trigger may stand in another partition and have come first; one from after the start is told as always.
    if (!(await this.#options.isBeforeStart(answer.endedBy.origin))) return answer
    const owed = {
      relation: 'fresh',
      ending: answer.endedBy,
      registrations: [registration],
      broken: [],
    } as const
    await this.#options.registry.forget(settledInSilence([owed]))
    return { kind: 'already-settled' }
  }

  /** What belongs to another trigger is left to that one. Nor is there a dead letter: sent again it would be told. */
  async #settleOwed({ groups, next }: OwedAnswer): Promise<OwedAnswer> {
    const settled = settledInSilence(groups)
    if (settled.length > 0) await this.#options.registry.forget(settled)
    return {
      kind: 'owed',
      groups: [],
      ...(next !== undefined && { next: async () => this.#settleOwed(await next()) }),
    }
  }
}
