import type { RecordPosition } from '../events/wire-record.ts'
import { settledInSilence } from '../registry/ending.ts'
import type { OwedAnswer, Registry, RegistryAnswer, RegistryStep } from '../registry/registry.ts'

export interface BeforeStartOptions {
  readonly registry: Pick<Registry, 'forget'>
  /** Whether the record was on the log when the group first started. Throws when that cannot be looked up. */
  readonly isBeforeStart: (record: RecordPosition) => Promise<boolean>
}

/**
 * Records that were on the log at the group's first start, but hidden by another producer's open transaction. The group reads
 * them after that transaction ends. As in a rebuild, their registrations count, and their triggers end sessions without an
 * outcome.
 */
export class BeforeStart {
  readonly #options: BeforeStartOptions

  constructor(options: BeforeStartOptions) {
    this.#options = options
  }

  /**
   * Settles what a record from before the start is owed, and returns the answer without it. Throws as the registry does; safe
   * to repeat.
   */
  async settleSilently(step: RegistryStep, answer: RegistryAnswer): Promise<RegistryAnswer> {
    if (answer.kind === 'owed') return this.#settleOwed(answer)
    if (step.kind !== 'register' || answer.kind !== 'registered' || answer.endedBy === undefined)
      return answer
    const { registration } = step
    // The trigger may be in another partition and have been read first. One from after the start is delivered as usual.
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

  /** Leaves registrations of other triggers to those. Writes no dead letter either: once resent, it would be delivered. */
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
