import { registrationKey } from '../delivery/delivery.ts'
import type { DecodeResult } from '../events/decoding/decode-record.ts'
import { type CutOutcome, isOutcome, outcomeId, type SettledByLog } from '../events/outcome.ts'
import type { WireRecord } from '../events/wire-record.ts'
import { hiddenIn, type LogReader, type PartitionBounds, type PartitionRange } from '../intake/log-reader.ts'
import type { Pipeline } from '../intake/pipeline.ts'
import type { Clock } from '../lib/clock.ts'
import type { HeldRegistration, RegistrationKey, Registry, RegistryStep } from '../registry/registry.ts'
import { BelievedOutcomes, type DisbelievedOutcomes } from './believed-outcomes.ts'
import type { RecoveryRegistry } from './recovery-registry.ts'
import { recordsIn } from './replay-range.ts'

export interface RegistryDifferenceOptions {
  readonly clock: Clock
  readonly pipeline: Pipeline
  readonly reader: LogReader
  readonly recovery: Pick<RecoveryRegistry, 'all'>
  /** Not guarded by the epoch. */
  readonly registry: Pick<Registry, 'apply' | 'find' | 'forget'>
  readonly inputTopics: readonly string[]
  readonly outcomeTopic: string
}

/**
 * How a registration differs.
 * - `missing`: on the log and not settled, but not in the registry.
 * - `settled`: in the registry, but the log says that it is settled.
 * - `unlogged`: in the registry, but not on the log; the identity provider may have written it to Redis.
 */
export type Difference = RegistrationKey & {
  readonly difference: 'missing' | 'settled' | 'unlogged'
  readonly clientId?: string
  /** The last outcome on the log for that key. */
  readonly outcome?: SettledByLog
}

/** Ids may be reused after a logout, so only the last registration and the last outcome of a key count. */
interface Logged extends RegistrationKey {
  readonly clientId?: string
  readonly userId?: string
  readonly registeredAtMs?: number
  readonly outcome?: SettledByLog
}

const FOUND_AT_ONCE = 500
const LASTING = ['registration', 'client'] as const

/** Compares the registry with the log. Keeps an entry for every registration on the log. */
export class RegistryDifference {
  readonly #options: RegistryDifferenceOptions
  readonly #believed: BelievedOutcomes
  readonly #logged = new Map<string, Logged>()
  readonly #topics: readonly string[]
  #hasClients = false
  records = 0
  recordsTotal = 0

  constructor(options: RegistryDifferenceOptions) {
    const { inputTopics, outcomeTopic, pipeline, reader } = options
    this.#options = options
    this.#topics = [...new Set([...inputTopics, outcomeTopic])]
    this.#believed = new BelievedOutcomes(reader, inputTopics, outcomeTopic, pipeline.decoders)
  }

  get disbelieved(): DisbelievedOutcomes {
    return this.#believed.disbelieved
  }

  get registrations(): number {
    return this.#logged.size
  }

  /** Finds differences while replicas work; leaves out those that changes meanwhile explain. Throws when `signal` aborts. */
  async find(signal: AbortSignal): Promise<Difference[]> {
    const { reader } = this.#options
    const before = await reader.bounds(this.#topics)
    await this.#read(before, signal)
    const found = [...(await this.#missing()), ...(await this.#surplus(signal))]
    const after = await reader.bounds(this.#topics)
    await this.#read(
      after.map((it) => ({ ...it, from: endBefore(before, it) })),
      signal,
    )
    return found.flatMap((it) => this.#stillDiffers(it))
  }

  /**
   * Registers what is missing, removes what is settled, and configures the clients that the log names. Never registers a settled registration, not even for a moment,
   * since a replica might see it. Keeps what is not on the log.
   */
  async repair(found: readonly Difference[], signal: AbortSignal): Promise<void> {
    const { clock, pipeline, reader, registry } = this.#options
    const settled = found.flatMap(({ difference, outcome }) =>
      difference === 'settled' && outcome !== undefined ? [outcome] : [],
    )
    for (let i = 0; i < settled.length; i += FOUND_AT_ONCE)
      await registry.forget(settled.slice(i, i + FOUND_AT_ONCE))
    const missing = new Map(
      found.filter(({ difference }) => difference === 'missing').map((it) => [registrationKey(it), it]),
    )
    if (missing.size === 0 && !this.#hasClients) return
    const parts = (await reader.bounds(this.#topics)).filter(({ from, to }) => from < to)
    await reader.read(
      parts,
      async ({ records }) => {
        const steps: RegistryStep[] = []
        const take = (decoded: DecodeResult): void => {
          const step = pipeline.step(decoded)
          if (step?.kind === 'configure-client') steps.push(step)
          if (step?.kind !== 'register') return
          const it = missing.get(registrationKey(step.registration))
          if (it !== undefined && !isSettledBy(it.outcome, step.registration)) steps.push(step)
        }
        for (const record of records) pipeline.read(record, LASTING, clock.now(), take)
        if (steps.length > 0) await registry.apply(steps)
      },
      signal,
    )
  }

  async #read(bounds: readonly PartitionBounds[], signal: AbortSignal): Promise<void> {
    const { inputTopics, outcomeTopic, reader } = this.#options
    const parts = bounds.filter(({ from, to }) => from < to)
    const hidden = hiddenIn(bounds.filter(({ topic }) => topic === outcomeTopic))
    this.recordsTotal += recordsIn(parts) + recordsIn(hidden)
    this.#believed.expect(parts)
    const read: LogReader['read'] = (...reading) => reader.read(...reading)
    // Triggers before their outcomes, if outcomes have their own topic.
    await this.#readPart(
      parts.filter(({ topic }) => inputTopics.includes(topic)),
      read,
      signal,
    )
    await this.#readPart(
      parts.filter(({ topic }) => !inputTopics.includes(topic)),
      read,
      signal,
    )
    await this.#readPart(hidden, (...reading) => reader.readOutcomes(...reading), signal)
    for (const outcome of await this.#believed.rest(signal)) this.#settle(outcome)
    for (const [trigger, outcomes] of await this.#believed.withTriggers(signal))
      this.#settleCut(trigger, outcomes)
  }

  async #readPart(
    parts: readonly PartitionRange[],
    read: LogReader['read'],
    signal: AbortSignal,
  ): Promise<void> {
    await read(
      parts,
      async ({ records, fetchedOffset, nextOffset }) => {
        for (const record of records) this.#take(record)
        this.records += nextOffset - fetchedOffset
      },
      signal,
    )
  }

  #take(record: WireRecord): void {
    const { clock, pipeline } = this.#options
    this.#believed.note(record)
    if (isOutcome(record)) {
      const outcome = this.#believed.take(record)
      if (outcome !== undefined) this.#settle(outcome)
      return
    }
    pipeline.read(record, LASTING, clock.now(), this.#takeStep)
  }

  readonly #takeStep = (decoded: DecodeResult): void => {
    const step = this.#options.pipeline.step(decoded)
    this.#hasClients ||= step?.kind === 'configure-client'
    if (step?.kind !== 'register') return
    const { clientId, registeredAtMs = 0, userId } = step.registration
    if ((this.#entry(step.registration).registeredAtMs ?? 0) <= registeredAtMs)
      this.#note(step.registration, { clientId, registeredAtMs, userId })
  }

  #settle(outcome: SettledByLog): void {
    const { outcome: known } = this.#entry(outcome)
    if (known === undefined || isEarlier(known, outcome)) this.#note(outcome, { outcome })
  }

  /** Settles, of the registrations that a trigger may have ended, those whose outcome has one of these ids. */
  #settleCut(trigger: WireRecord, outcomes: readonly CutOutcome[]): void {
    const { clock, pipeline } = this.#options
    const byId = new Map(outcomes.map((it) => [it.id, it]))
    pipeline.read(trigger, 'trigger', clock.now(), (decoded) => {
      if (decoded.kind !== 'trigger') return
      const { issuer, origin, sessionId, userId } = decoded.trigger
      for (const it of [...this.#logged.values()]) {
        if (it.issuer !== issuer) continue
        if (sessionId === undefined ? it.userId !== userId : it.sessionId !== sessionId) continue
        const outcome = byId.get(outcomeId(origin, it))
        if (outcome !== undefined) this.#settle({ ...outcome, ...keyOf(it) })
      }
    })
  }

  /** An outcome in another partition may be read before its registration. */
  #entry(key: RegistrationKey): Logged {
    return this.#logged.get(registrationKey(key)) ?? keyOf(key)
  }

  #note(key: RegistrationKey, more: Partial<Logged>): void {
    this.#logged.set(registrationKey(key), { ...this.#entry(key), ...more })
  }

  async #missing(): Promise<Difference[]> {
    const owed = [...this.#logged.values()].filter((it) => !isSettledBy(it.outcome, it))
    const missing: Difference[] = []
    for (let i = 0; i < owed.length; i += FOUND_AT_ONCE) {
      const part = owed.slice(i, i + FOUND_AT_ONCE)
      const found = await this.#options.registry.find(part)
      for (const [at, it] of part.entries()) {
        const held = found[at]
        // A registration of an earlier login does not count.
        const isThere = held !== undefined && ('reason' in held || !isSettledBy(it.outcome, held))
        if (!isThere) missing.push({ ...it, difference: 'missing' })
      }
    }
    return missing
  }

  async #surplus(signal: AbortSignal): Promise<Difference[]> {
    const { pipeline, recovery, registry } = this.#options
    const surplus = new Map<string, Difference>()
    await recovery.all(async (keys) => {
      const settled: Logged[] = []
      for (const key of keys) {
        if (!pipeline.serves(key.issuer)) continue
        const name = registrationKey(key)
        const logged = this.#logged.get(name)
        if (logged === undefined) surplus.set(name, { ...key, difference: 'unlogged' })
        else if (isSettledBy(logged.outcome, logged)) settled.push(logged)
      }
      const found = await registry.find(settled)
      for (const [i, logged] of settled.entries()) {
        const held = found[i]
        if (held === undefined || (!('reason' in held) && isOwedDespite(logged.outcome, held))) continue
        surplus.set(registrationKey(logged), { ...logged, difference: 'settled' })
      }
    }, signal)
    return [...surplus.values()]
  }

  /** Drops a difference that later records explain. */
  #stillDiffers(found: Difference): Difference[] {
    const logged = this.#logged.get(registrationKey(found))
    if (found.difference === 'missing')
      return logged !== undefined && isSettledBy(logged.outcome, logged) ? [] : [found]
    if (found.difference === 'unlogged') return logged === undefined ? [found] : []
    return [found]
  }
}

function keyOf({ issuer, sessionId, oidcSessionId }: RegistrationKey) {
  return { issuer, sessionId, oidcSessionId }
}

function endBefore(before: readonly PartitionRange[], { topic, partition, from }: PartitionRange): number {
  return before.find((it) => it.topic === topic && it.partition === partition)?.to ?? from
}

/** Of several outcomes for one login the last counts: a failed one may have been reopened and sent. */
function isEarlier(a: SettledByLog, b: SettledByLog): boolean {
  const isSameLogin = a.registeredAtMs === b.registeredAtMs
  return isSameLogin ? a.recordedAtMs < b.recordedAtMs : a.registeredAtMs < b.registeredAtMs
}

/** It belongs to a later login, or was reopened since. */
function isOwedDespite(outcome: SettledByLog | undefined, held: HeldRegistration): boolean {
  const { recordedAtMs = Number.POSITIVE_INFINITY } = outcome ?? {}
  return !isSettledBy(outcome, held) || (held.reopenedAtMs ?? Number.NEGATIVE_INFINITY) >= recordedAtMs
}

/** Any outcome of the key settles a registration without a date. */
function isSettledBy(
  outcome: SettledByLog | undefined,
  { registeredAtMs = 0 }: Pick<RegistrationKey, 'registeredAtMs'>,
): boolean {
  return outcome !== undefined && registeredAtMs <= outcome.registeredAtMs
}
