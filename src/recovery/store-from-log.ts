import { claimedTime } from '../events/claimed-time.ts'
import { decodeRecord } from '../events/decode/decode-record.ts'
import { mayBeRegistration, mayBeTrigger } from '../events/decode/known-types.ts'
import type { SettledByLog } from '../events/outcome.ts'
import type { WireRecord } from '../events/wire-record.ts'
import { type TriggerStep, triggerStep } from '../intake/trigger-step.ts'
import type { Clock } from '../lib/clock.ts'
import type { OwedGroup } from '../registry/ending.ts'
import type { Registry, RegistryStep } from '../registry/registry.ts'
import type { RecoveryRegistry } from './recovery-registry.ts'
import type { PartitionStart } from './start-plan.ts'

/** A trigger of the log that is run again; its deadline is in the past where nobody has told in time. */
export interface PastTrigger {
  readonly record: WireRecord
  readonly step: TriggerStep
}

export interface StoreFromLogOptions {
  readonly clock: Clock
  readonly deadlineMs: number
  readonly defaultIssuer: string
  readonly isServedIssuer: (issuer: string) => boolean
  /** Neither is guarded by the epoch. */
  readonly recovery: Pick<RecoveryRegistry, 'owed'>
  readonly registry: Registry
  /** How long a registration is kept; an older one has ended since, and is not made again. Milliseconds. */
  readonly sessionLifetimeMs: number
  readonly signedOutWithoutSession: 'fan-out' | 'ignore'
  /** How long it is remembered that a session ended, for registrations that come later. Milliseconds. */
  readonly tombstoneMs: number
  /**
   * Runs triggers again on that registry: resolves when what is still owed by them is parked, or has ended. These were
   * committed long ago: with an epoch, and this process killed, nobody would know of them.
   */
  readonly runAgain: (
    triggers: readonly PastTrigger[],
    registry: Registry,
    signal: AbortSignal,
  ) => Promise<void>
}

interface Item extends PastTrigger {
  readonly fate: 'run' | 'run-if-owed' | 'over'
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
    const { clock, defaultIssuer, isServedIssuer, registry, sessionLifetimeMs } = this.#options
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
    for (const record of records) {
      const outcome = outcomeOf(record)
      if (outcome !== undefined) settled.push(outcome)
      else if (mayBeRegistration(record.type)) {
        if (claimedTime(record.timestampMs, now, now) <= livingSinceMs) continue
        const decoded = decodeRecord(record, defaultIssuer, now)
        if (decoded.kind !== 'registration' || !isServedIssuer(decoded.registration.issuer)) continue
        steps.push({ kind: 'register', registration: decoded.registration, origin: decoded.origin })
      }
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
      const item = this.#itemOf(record, startOf(record))
      if (item !== undefined) items.push(item)
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

  #itemOf(record: WireRecord, partition: PartitionStart | undefined): Item | undefined {
    const { clock, deadlineMs, defaultIssuer, isServedIssuer, signedOutWithoutSession, tombstoneMs } =
      this.#options
    // Most of what is read again are registrations and outcomes.
    if (!mayBeTrigger(record.type)) return undefined
    const isOver = partition !== undefined && record.offset < partition.start
    // Nobody has taken it in yet, so it comes to a member of the group.
    if (!isOver && partition?.kind !== 'known') return undefined
    const now = clock.now()
    const decoded = decodeRecord(record, defaultIssuer, now)
    if (decoded.kind !== 'trigger' || !isServedIssuer(decoded.trigger.issuer)) return undefined
    const recordedAtMs = claimedTime(record.timestampMs, now, now)
    // The time of what nobody has taken in yet has not begun.
    const sinceMs = record.offset < (partition?.committed ?? 0) ? recordedAtMs : now
    const step = triggerStep(decoded.trigger, signedOutWithoutSession, sinceMs + deadlineMs)
    if (step === undefined) return undefined
    const isOld = recordedAtMs < now - tombstoneMs
    return { record, step, fate: isOver ? 'over' : isOld ? 'run-if-owed' : 'run' }
  }

  async #run(items: readonly Item[], signal: AbortSignal): Promise<void> {
    const { recovery, registry, runAgain } = this.#options
    if (items.length === 0) return
    const asked = items.filter(({ fate }) => fate !== 'run')
    const answers = await recovery.owed(asked.map(({ step }) => step))
    const over: SettledByLog[] = []
    const owing = new Set<Item>()
    for (const [i, item] of asked.entries()) {
      const groups = answers[i] ?? []
      if (groups.length === 0) continue
      if (item.fate === 'over') over.push(...groups.flatMap(settledBySilence))
      else owing.add(item)
    }
    if (over.length > 0) await registry.forget(over)
    const again = items.filter((item) => item.fate === 'run' || owing.has(item))
    if (again.length > 0) await runAgain(again, registry, signal)
  }
}

/** As though there were an outcome: what the ending means is over. */
function settledBySilence({ ending, registrations, broken }: OwedGroup): SettledByLog[] {
  const { origin, occurredAtMs, untilMs } = ending
  const by = { origin, occurredAtMs, recordedAtMs: occurredAtMs }
  return [...registrations, ...broken].map(({ issuer, sessionId, oidcSessionId, ...it }) => ({
    ...by,
    issuer,
    sessionId,
    oidcSessionId,
    registeredAtMs: 'registeredAtMs' in it && it.registeredAtMs !== undefined ? it.registeredAtMs : untilMs,
  }))
}
