import { claimedTime } from '../events/claimed-time.ts'
import type { DecodeResult } from '../events/decoding/decode-record.ts'
import { type CutOutcome, outcomeId, type SettledByLog } from '../events/outcome.ts'
import type { TopicPartition, WireRecord } from '../events/wire-record.ts'
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
  readonly pipeline: Pipeline
  /** Neither is guarded by the epoch. */
  readonly recovery: Pick<RecoveryRegistry, 'owed'>
  readonly registry: Registry
  /** Lifetime of a registration. An older one is over and not registered again. Milliseconds. */
  readonly sessionLifetimeMs: number
  /** How long the end of a session is remembered for late registrations. Milliseconds. */
  readonly tombstoneMs: number
  /**
   * Runs triggers again on that registry. Resolves when what they are still owed is parked or has ended: the triggers are
   * committed, so once an epoch exists, a crash of this process would lose them. The deadline is in the past if nobody
   * delivered in time.
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

const LASTING = ['registration', 'client'] as const
const REGISTRY_STEPS_MAX = 256
const TRIGGERS_AT_ONCE = 128

/** Applies the log to the store. Some of it may have been applied before. */
export class StoreFromLog {
  readonly #options: StoreFromLogOptions

  constructor(options: StoreFromLogOptions) {
    this.#options = options
  }

  /**
   * Configures clients, creates registrations, and removes those that an outcome settles, in any order. `outcomeOf`: the
   * believed outcome that a record holds, if any. `onEnded`: called for a registration whose session the store remembers as
   * ended. `areReadAgain`: the group's members will read old records again, and must find what is settled.
   */
  async register(
    records: readonly WireRecord[],
    outcomeOf: (record: WireRecord) => SettledByLog | undefined,
    onEnded: (ended: TriggerStep) => void,
    areReadAgain = false,
  ): Promise<void> {
    const { clock, pipeline, registry, sessionLifetimeMs } = this.#options
    const now = clock.now()
    const livingSinceMs = now - sessionLifetimeMs
    let steps: RegistryStep[] = []
    let settled: SettledByLog[] = []
    let applying = Promise.resolve()
    // One batch is written while the next is decoded. Never two at a time, to keep the order of the log.
    const flush = async (): Promise<void> => {
      await applying
      applying = apply(steps, settled)
      // The next flush awaits it; until then a rejection has no handler.
      applying.catch(() => undefined)
      steps = []
      settled = []
    }
    const apply = async (registered: RegistryStep[], outcomes: SettledByLog[]): Promise<void> => {
      const answers = registered.length > 0 ? await registry.apply(registered) : []
      for (const [i, answer] of answers.entries()) {
        const step = registered[i]
        if (answer.kind !== 'registered' || answer.endedBy === undefined || step?.kind !== 'register')
          continue
        const { issuer, sessionId } = step.registration
        onEnded({ kind: 'end-session', issuer, sessionId, ending: answer.endedBy })
      }
      if (outcomes.length > 0) await registry.forget(outcomes, areReadAgain)
    }
    const take = (decoded: DecodeResult): void => {
      const step = pipeline.rebuildStep(decoded)
      if (step?.kind === 'register' || step?.kind === 'configure-client') steps.push(step)
    }
    const takeClient = (decoded: DecodeResult): void => {
      if (decoded.kind === 'client') take(decoded)
    }
    for (const record of records) {
      const outcome = outcomeOf(record)
      if (outcome !== undefined) settled.push(outcome)
      else {
        // What is known of a client has no end.
        const isLiving = claimedTime(record.timestampMs, now, now) > livingSinceMs
        pipeline.read(record, isLiving ? LASTING : 'client', now, isLiving ? take : takeClient)
      }
      if (steps.length + settled.length >= REGISTRY_STEPS_MAX) await flush()
    }
    await flush()
    await applying
  }

  /**
   * Runs triggers again whatever their age: an old one may have deliveries that were parked in the lost store. Triggers from
   * before the group's first start end their sessions silently.
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

  /** Runs endings again that the store remembers, as `runAgain` does with their triggers. */
  async runRemembered(
    endings: readonly TriggerStep[],
    startOf: (origin: TopicPartition) => PartitionStart | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    const items = endings.map((step): Item => {
      const { origin } = step.ending
      return { step, fate: origin.offset < (startOf(origin)?.silentBefore ?? 0) ? 'over' : 'run' }
    })
    for (let i = 0; i < items.length; i += TRIGGERS_AT_ONCE)
      await this.#run(items.slice(i, i + TRIGGERS_AT_ONCE), signal)
  }

  /** Removes registrations of outcomes that were believed later. */
  async settle(outcomes: readonly SettledByLog[], areReadAgain = false): Promise<void> {
    for (let i = 0; i < outcomes.length; i += REGISTRY_STEPS_MAX)
      await this.#options.registry.forget(outcomes.slice(i, i + REGISTRY_STEPS_MAX), areReadAgain)
  }

  /** Removes, of the registrations that a trigger ended, those whose outcome has one of these ids. */
  async settleCut(trigger: WireRecord, outcomes: readonly CutOutcome[], areReadAgain = false): Promise<void> {
    const { clock, pipeline, recovery } = this.#options
    const steps: TriggerStep[] = []
    pipeline.read(trigger, 'trigger', clock.now(), (decoded) => {
      const step = pipeline.rebuildStep(decoded)
      if (step !== undefined && 'ending' in step) steps.push(step)
    })
    const byId = new Map(outcomes.map((it) => [it.id, it]))
    const answers = await recovery.owed(steps)
    const settled = steps.flatMap(({ ending: { origin } }, i) =>
      (answers[i] ?? []).flatMap(({ registrations, broken }) =>
        [...registrations, ...broken].flatMap((it): SettledByLog[] => {
          const outcome = byId.get(outcomeId(origin, it))
          if (outcome === undefined) return []
          const { id: _, trigger: __, ...times } = outcome
          const { issuer, sessionId, oidcSessionId } = it
          return [{ ...times, issuer, sessionId, oidcSessionId, origin }]
        }),
      ),
    )
    await this.settle(settled, areReadAgain)
  }

  #readItems(record: WireRecord, partition: PartitionStart | undefined, items: Item[]): void {
    const { clock, pipeline, tombstoneMs } = this.#options
    const isOver = partition !== undefined && record.offset < partition.silentBefore
    // A group member will read it.
    if (!isOver && partition?.kind !== 'known') return
    const now = clock.now()
    pipeline.read(record, 'trigger', now, (decoded) => {
      const recordedAtMs = claimedTime(record.timestampMs, now, now)
      // The deadline of an unread trigger has not begun.
      const sinceMs = record.offset < (partition?.committed ?? 0) ? recordedAtMs : now
      const step = pipeline.rebuildStep(decoded, sinceMs)
      if (step === undefined || !('ending' in step)) return
      const isOld = recordedAtMs < now - tombstoneMs
      const fate = isOver ? 'over' : 'run'
      items.push({ step, fate: isOld ? `${fate}-if-owed` : fate })
    })
  }

  async #run(items: readonly Item[], signal: AbortSignal): Promise<void> {
    const { recovery, registry, runAgain } = this.#options
    if (items.length === 0) return
    const over: SettledByLog[] = []
    // A login that an open transaction still hides must find its mark.
    const young = items.filter(({ fate }) => fate === 'over').map(({ step }) => step)
    if (young.length > 0) over.push(...settledInSilence((await endedBy(registry, young)).flat()))
    const asked = items.filter(({ fate }) => fate.endsWith('-if-owed'))
    const answers = await recovery.owed(asked.map(({ step }) => step))
    const stillOwed = new Set<Item>()
    for (const [i, item] of asked.entries()) {
      const groups = answers[i] ?? []
      if (groups.length === 0) continue
      if (item.fate === 'over-if-owed') over.push(...settledInSilence(groups))
      else stillOwed.add(item)
    }
    if (over.length > 0) await registry.forget(over)
    const again = items.filter((item) => item.fate === 'run' || stillOwed.has(item))
    const steps = again.map(({ step }) => step)
    if (steps.length > 0) await runAgain(steps, registry, signal)
  }
}
