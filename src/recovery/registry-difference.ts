import { registrationKey } from '../delivery/delivery.ts'
import { decodeRecord } from '../events/decode/decode-record.ts'
import { mayBeRegistration } from '../events/decode/known-types.ts'
import { readOutcome } from '../events/outcome.ts'
import type { WireRecord } from '../events/wire-record.ts'
import type { RegistrationKey, Registry, RegistryStep } from '../registry/registry.ts'
import type { LogReader, PartitionRange } from './log-reader.ts'
import type { RecoveryRegistry } from './recovery-registry.ts'
import { recordsIn } from './replay-range.ts'

export interface RegistryDifferenceOptions {
  readonly defaultIssuer: string
  readonly isServedIssuer: (issuer: string) => boolean
  readonly reader: LogReader
  readonly recovery: Pick<RecoveryRegistry, 'all'>
  /** Not guarded by the epoch. */
  readonly registry: Pick<Registry, 'apply' | 'find' | 'forget'>
  /** Input and outcome topics. */
  readonly topics: readonly string[]
}

/**
 * How a registration differs.
 * - `missing`: on the log and not settled, but not in the registry.
 * - `settled`: in the registry, but the log says that it is settled.
 * - `unlogged`: in the registry, but not on the log; the identity provider may have written it there itself.
 */
export type Difference = RegistrationKey & {
  readonly difference: 'missing' | 'settled' | 'unlogged'
  readonly clientId?: string
}

interface Logged extends RegistrationKey {
  readonly clientId?: string
  isSettled: boolean
}

const FOUND_AT_ONCE = 500

/** Compares the registry with what the log says. Holds a name for every registration on the log. */
export class RegistryDifference {
  readonly #options: RegistryDifferenceOptions
  readonly #logged = new Map<string, Logged>()
  records = 0
  recordsTotal = 0

  constructor(options: RegistryDifferenceOptions) {
    this.#options = options
  }

  get registrations(): number {
    return this.#logged.size
  }

  /** Replicas may be at work: what changes while it is looked at is no difference. Throws when `signal` aborts. */
  async find(signal: AbortSignal): Promise<Difference[]> {
    const { reader, topics } = this.#options
    const before = await reader.bounds(topics)
    await this.#read(before, signal)
    const found = [...(await this.#missing()), ...(await this.#surplus(signal))]
    const after = await reader.bounds(topics)
    await this.#read(
      after.map((it) => ({ ...it, from: endBefore(before, it) })),
      signal,
    )
    return found.flatMap((it) => this.#still(it))
  }

  /**
   * Registers what is missing and removes what is settled. Nothing that is settled is registered on the way, not even
   * for a moment in which a replica might see it. What is not on the log stays.
   */
  async mend(found: readonly Difference[], signal: AbortSignal): Promise<void> {
    const { defaultIssuer, reader, registry, topics } = this.#options
    const settled = found.filter(({ difference }) => difference === 'settled')
    for (let i = 0; i < settled.length; i += FOUND_AT_ONCE)
      await registry.forget(settled.slice(i, i + FOUND_AT_ONCE))
    const missing = new Set(found.filter(({ difference }) => difference === 'missing').map(registrationKey))
    if (missing.size === 0) return
    const parts = (await reader.bounds(topics)).filter(({ from, to }) => from < to)
    await reader.read(
      parts,
      async ({ records }) => {
        const steps = records.flatMap((record): RegistryStep[] => {
          if (!mayBeRegistration(record.type)) return []
          const decoded = decodeRecord(record, defaultIssuer)
          if (decoded.kind !== 'registration' || !missing.has(registrationKey(decoded.registration)))
            return []
          return [{ kind: 'register', registration: decoded.registration, origin: decoded.origin }]
        })
        if (steps.length > 0) await registry.apply(steps)
      },
      signal,
    )
  }

  async #read(ranges: readonly PartitionRange[], signal: AbortSignal): Promise<void> {
    const parts = ranges.filter(({ from, to }) => from < to)
    this.recordsTotal += recordsIn(parts)
    await this.#options.reader.read(
      parts,
      async ({ records, fetchedOffset, nextOffset }) => {
        for (const record of records) this.#take(record)
        this.records += nextOffset - fetchedOffset
      },
      signal,
    )
  }

  #take(record: WireRecord): void {
    const { defaultIssuer, isServedIssuer } = this.#options
    const settled = readOutcome(record)
    if (settled !== undefined) {
      this.#entry(settled).isSettled = true
      return
    }
    if (!mayBeRegistration(record.type)) return
    const decoded = decodeRecord(record, defaultIssuer)
    if (decoded.kind !== 'registration' || !isServedIssuer(decoded.registration.issuer)) return
    this.#entry(decoded.registration)
  }

  /** An outcome may stand before its registration, in another partition. */
  #entry(key: RegistrationKey & { clientId?: string }): Logged {
    const name = registrationKey(key)
    const { issuer, sessionId, oidcSessionId, clientId } = key
    const entry = this.#logged.get(name) ?? { issuer, sessionId, oidcSessionId, isSettled: false }
    const whole = clientId === undefined || entry.clientId !== undefined ? entry : { ...entry, clientId }
    this.#logged.set(name, whole)
    return whole
  }

  async #missing(): Promise<Difference[]> {
    const owed = [...this.#logged.values()].filter(({ isSettled }) => !isSettled)
    const missing: Difference[] = []
    for (let i = 0; i < owed.length; i += FOUND_AT_ONCE) {
      const part = owed.slice(i, i + FOUND_AT_ONCE)
      const found = await this.#options.registry.find(part)
      for (const [at, { isSettled, ...key }] of part.entries())
        if (found[at] === undefined) missing.push({ ...key, difference: 'missing' })
    }
    return missing
  }

  async #surplus(signal: AbortSignal): Promise<Difference[]> {
    const surplus = new Map<string, Difference>()
    await this.#options.recovery.all(async (keys) => {
      for (const key of keys) {
        if (!this.#options.isServedIssuer(key.issuer)) continue
        const name = registrationKey(key)
        const logged = this.#logged.get(name)
        if (logged === undefined) surplus.set(name, { ...key, difference: 'unlogged' })
        else if (logged.isSettled) {
          const { isSettled, ...rest } = logged
          surplus.set(name, { ...rest, difference: 'settled' })
        }
      }
    }, signal)
    return [...surplus.values()]
  }

  /** With what was written meanwhile. */
  #still(found: Difference): Difference[] {
    const logged = this.#logged.get(registrationKey(found))
    if (found.difference === 'missing') return logged?.isSettled === true ? [] : [found]
    if (found.difference === 'unlogged') return logged === undefined ? [found] : []
    return [found]
  }
}

function endBefore(before: readonly PartitionRange[], { topic, partition, from }: PartitionRange): number {
  return before.find((it) => it.topic === topic && it.partition === partition)?.to ?? from
}
