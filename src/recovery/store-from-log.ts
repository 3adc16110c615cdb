import { claimedTime } from '../events/claimed-time.ts'
import type { DecodeResult } from '../events/decoding/decode-record.ts'
import type { SettledByLog } from '../events/outcome.ts'
import type { WireRecord } from '../events/wire-record.ts'
import type { Pipeline } from '../intake/pipeline.ts'
import type { PartitionStart } from '../intake/start-plan.ts'
import type { TriggerStep } from '../intake/trigger-step.ts'
import type { Clock } from '../lib/clock.ts'
import { settledInSilence } from '../registry/ending.ts'
import type { Registry, RegistryStep } from '../registry/registry.ts'
import type { RecoveryRegistry } from './recovery-registry.ts'
import { endedBy } from './replay-triggers.ts'

export interface StoreFromLogOptions {
  readonly clock: Clock
  readonly deadlineMs: number
  readonly pipeline: Pipeline
  /** Neither is guarded by the epoch. */
  readonly recovery: Pick<RecoveryRegistry, 'owed'>
  readonly registry: Registry
  /** How long a registration is kept; an older one has ended since, and is not made again. Milliseconds. */
  readonly sessionLifetimeMs: number
  /** How long it is remembered that a session ended, for registrations that come later. Milliseconds. */
  readonly tombstoneMs: number
  /**
   * Runs triggers again on that registry: resolves when what is still owed by them is parked, or has ended. These were
   * committed long ago: with an epoch, and this process killed, nobody would know of them. The deadline of one is in the past
   * where nobody has told in time.
   */
  readonly runAgain: (
    triggers: readonly TriggerStep[],
    registry: Registry,
    signal: AbortSignal,
  ) => Promise<void>
}

interface Item {
  readonly step: TriggerStep
  readonly fate: 'run' | 'run-if-owed' | 'over' | 'over-if-owed'
}

const REGISTRY_STEPS_MAX = 256
const TRIGGERS_AT_ONCE = 128

/** Applies to the store what stands on the log, whatever of it was applied before. */
export class StoreFromLog {
  readonly #options: StoreFromLogOptions

  constructor(options: StoreFromLogOptions) {
    this.#options = options
  }

  /**
   * Makes registrations, and removes those that an outcome settles; the order does not matter. `outcomeOf`: the outcome
   * that a record is, where it is one and is believed.
   */
  async register(
    records: readonly WireRecord[],
    outcomeOf: (record: WireRecord) => SettledByLog | undefined,
  ): Promise<void> {
    const { clock, pipeline, registry, sessionLifetimeMs } = this.#options
    const now = clock.now()
    const livingSinceMs = now - sessionLifetimeMs
    let steps: RegistryStep[] = []
    let settled: SettledByLog[] = []
    let applying = Promise.resolve()
    // One is written while the next is decoded; never two at a time, because the log's order is to be kept.
    const flush = async (): Promise<void> => {
      await applying
      applying = apply(steps, settled)
      // Awaited by the next flush; until then a failure is nobody's.
      applying.catch(() => undefined)
      steps = []
      settled = []
    }
    const apply = async (registered: RegistryStep[], outcomes: SettledByLog[]): Promise<void> => {
      if (registered.length > 0) await registry.apply(registered)
      if (outcomes.length > 0) await registry.forget(outcomes)
    }
    const take = (decoded: DecodeResult): void => {
      const step = pipeline.step(decoded)
      if (step?.kind === 'register') steps.push(step)
    }
    for (const record of records) {
      const outcome = outcomeOf(record)
      if (outcome !== undefined) settled.push(outcome)
      else if (claimedTime(record.timestampMs, now, now) > livingSinceMs)
        pipeline.read(record, 'registration', now, take)
      if (steps.length + settled.length >= REGISTRY_STEPS_MAX) await flush()
    }
    await flush()
    await applying
  }

  /**
   * Runs triggers again whatever their age: by an old one nothing is owed any more, unless its delivery was parked in the
   * store that was lost. Those from before the group's first start end their sessions, and nobody is told.
   */
  async runAgain(
    records: readonly WireRecord[],
    startOf: (record: WireRecord) => PartitionStart | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    let items: Item[] = []
    for (const record of records) {
      this.#readItems(record, startOf(record), items)
      if (items.length < TRIGGERS_AT_ONCE) continue
      await this.#run(items, signal)
      items = []
    }
    await this.#run(items, signal)
  }

  /** Removes what outcomes settle that are believed later. */
  async settle(outcomes: readonly SettledByLog[]): Promise<void> {
    for (let i = 0; i < outcomes.length; i += REGISTRY_STEPS_MAX)
      await this.#options.registry.forget(outcomes.slice(i, i + REGISTRY_STEPS_MAX))
  }

  #readItems(record: WireRecord, partition: PartitionStart | undefined, items: Item[]): void {
    const { clock, pipeline, tombstoneMs } = this.#options
    const isOver = partition !== undefined && record.offset < partition.start
    // Nobody has taken it in yet, so it comes to a member of the group.
    if (!isOver && partition?.kind !== 'known') return
    const now = clock.now()
    pipeline.read(record, 'trigger', now, (decoded) => {
      const recordedAtMs = claimedTime(record.timestampMs, now, now)
      // The time of what nobody has taken in yet has not begun.
      const sinceMs = record.offset < (partition?.committed ?? 0) ? recordedAtMs : now
      const step = pipeline.step(decoded, sinceMs)
      if (step === undefined || step.kind === 'register') return
      const isOld = recordedAtMs < now - tombstoneMs
      const fate = isOver ? 'over' : 'run'
      items.push({ step, fate: isOld ? `${fate}-if-owed` : fate })
    })
  }

  async #run(items: readonly Item[], signal: AbortSignal): Promise<void> {
    const { recovery, registry, runAgain } = this.#options
    if (items.length === 0) return
    const over: SettledByLog[] = []
    // A login that an open transaction hides still must find its mark.
    const young = items.filter(({ fate }) => fate === 'over').map(({ step }) => step)
    if (young.length > 0) over.push(...settledInSilence((await endedBy(registry, young)).flat()))
    const asked = items.filter(({ fate }) => fate.endsWith('-if-owed'))
    const answers = await recovery.owed(asked.map(({ step }) => step))
    const owing = new Set<Item>()
    for (const [i, item] of asked.entries()) {
      const groups = answers[i] ?? []
      if (groups.length === 0) continue
      if (item.fate === 'over-if-owed') over.push(...settledInSilence(groups))
      else owing.add(item)
    }
    if (over.length > 0) await registry.forget(over)
    const again = items.filter((item) => item.fate === 'run' || owing.has(item))
    const steps = again.map(({ step }) => step)
    if (steps.length > 0) await runAgain(steps, registry, signal)
  }
}
