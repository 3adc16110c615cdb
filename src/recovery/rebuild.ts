import { randomUUID } from 'node:crypto'
import { RelayFault } from '../errors.ts'
import { decodeRecord } from '../events/decode/decode-record.ts'
import { mayBeRegistration } from '../events/decode/known-types.ts'
import { readOutcome, type SettledByLog } from '../events/outcome.ts'
import type { WireRecord } from '../events/wire-record.ts'
import type { RecordBatch } from '../kafka/record-source.ts'
import type { Clock } from '../lib/clock.ts'
import { delay } from '../lib/deferred.ts'
import type { Registry, RegistryStep } from '../registry/registry.ts'
import type { EpochStore } from './epoch-store.ts'
import type { LogReader, PartitionRange } from './log-reader.ts'

export interface RebuildOptions {
  readonly clock: Clock
  readonly defaultIssuer: string
  readonly epoch: EpochStore
  readonly groupId: string
  /** Triggers that are no older are run again. Milliseconds. */
  readonly horizonMs: number
  readonly inputTopics: readonly string[]
  readonly isServedIssuer: (issuer: string) => boolean
  readonly onProgress: (progress: RebuildProgress) => void
  readonly outcomeTopic: string
  readonly reader: LogReader
  /** Not guarded by the epoch: this is what writes before there is one. */
  readonly registry: Registry
  /** How long a registration is kept; an older one has ended since, and is not made again. Milliseconds. */
  readonly sessionLifetimeMs: number
  /** Runs triggers again on that registry; sends what is still owed. */
  readonly runAgain: (
    records: readonly WireRecord[],
    registry: Registry,
    signal: AbortSignal,
  ) => Promise<void>
  /** Resolves when all of that has its outcome, or is parked. */
  readonly againSettled: (signal: AbortSignal) => Promise<void>
}

export interface RebuildProgress {
  readonly phase: 'waiting' | 'registrations' | 'outcomes' | 'triggers' | 'done'
  readonly records: number
  readonly recordsTotal: number
}

/** For people. */
export function describeProgress(progress: RebuildProgress | undefined): string {
  if (progress === undefined) return 'not yet looked at'
  const { phase, records, recordsTotal } = progress
  if (phase === 'waiting') return 'another replica builds it anew from the log'
  return `being built anew from the log: ${phase}, ${records} of ${recordsTotal} records`
}

const LOCK_MS = 30_000
const WAIT_MS = 250
const PROGRESS_EVERY_RECORDS = 20_000
const REGISTRY_STEPS_MAX = 256

/**
 * Builds the registry from the log when the store has lost it, or never had it: registrations less outcomes, then
 * the triggers of the horizon once more. What was sent is not owed any more, so running a trigger again is safe.
 * One replica does it; the others wait for the marker.
 */
export class Rebuild {
  readonly #options: RebuildOptions
  readonly #owner = randomUUID()

  constructor(options: RebuildOptions) {
    this.#options = options
  }

  /**
   * Resolves with the epoch of a store that holds what the log says, `undefined` when `signal` aborts before. Throws
   * when the log or the store is out of reach, or the store was lost once more meanwhile.
   */
  async ensure(signal: AbortSignal): Promise<string | undefined> {
    const { epoch, onProgress } = this.#options
    let isTold = false
    while (!signal.aborted) {
      const found = await epoch.read()
      if (found !== undefined) return found
      if (await epoch.lock(this.#owner, LOCK_MS)) return this.#underLock(signal)
      if (!isTold) onProgress({ phase: 'waiting', records: 0, recordsTotal: 0 })
      isTold = true
      await delay(WAIT_MS, signal)
    }
    return undefined
  }

  /**
   * The same by hand. A store that has lost the registry gets it built anew; one that holds it is completed by `complete`
   * under the eyes of the replicas, and the triggers that they have settled are run again. Waits for whoever else is
   * building it. Throws as `ensure` does.
   */
  async repeat(complete: () => Promise<void>, signal: AbortSignal): Promise<void> {
    const { epoch, inputTopics, onProgress, reader, registry, runAgain } = this.#options
    onProgress({ phase: 'waiting', records: 0, recordsTotal: 0 })
    while (!(await epoch.lock(this.#owner, LOCK_MS))) {
      await delay(WAIT_MS, signal)
      if (signal.aborted) return
    }
    if ((await epoch.read()) === undefined) {
      await this.#underLock(signal)
      return
    }
    await this.#holdingLock(async () => {
      await complete()
      const triggers = await this.#triggersOf(await reader.bounds(inputTopics), true)
      await this.#readAll('triggers', triggers, (records) => runAgain(records, registry, signal), signal)
      onProgress({ phase: 'done', records: 0, recordsTotal: 0 })
    })
  }

  #underLock(signal: AbortSignal): Promise<string> {
    const { againSettled, epoch, onProgress } = this.#options
    return this.#holdingLock(async () => {
      // Another replica may have finished between the look at the epoch and the lock.
      const found = await epoch.read()
      if (found !== undefined) return found
      await this.#run(signal)
      // These were committed long ago: with an epoch, and this process killed, nobody would know of them.
      await againSettled(signal)
      // What was not run again would never be: an epoch says that it was.
      if (signal.aborted) throw new RelayFault('LR_STOPPED', 'the rebuild was stopped')
      const confirmed = await epoch.confirm(this.#owner)
      if (confirmed === undefined)
        throw new RelayFault('LR_UNAVAILABLE', 'the store was lost once more during the rebuild')
      onProgress({ phase: 'done', records: 0, recordsTotal: 0 })
      return confirmed
    })
  }

  async #holdingLock<T>(work: () => Promise<T>): Promise<T> {
    const { epoch } = this.#options
    const renewal = setInterval(() => epoch.renew(this.#owner, LOCK_MS).catch(() => undefined), LOCK_MS / 3)
    try {
      return await work()
    } finally {
      clearInterval(renewal)
      await epoch.unlock(this.#owner).catch(() => undefined)
    }
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { inputTopics, outcomeTopic, reader, registry, runAgain } = this.#options
    const topics = [...inputTopics, outcomeTopic]
    const ranges = await reader.bounds(topics)
    const take = (records: readonly WireRecord[]) => this.#takeRegistrations(records)
    await this.#readAll('registrations', ranges, take, signal)
    // What was in flight when the store was lost has perhaps ended meanwhile: it is not owed any more.
    await this.#readAll('outcomes', since(ranges, await reader.bounds(topics)), take, signal)
    const triggers = await this.#triggersOf(ranges, false)
    await this.#readAll('triggers', triggers, (records) => runAgain(records, registry, signal), signal)
  }

  async #readAll(
    phase: 'registrations' | 'outcomes' | 'triggers',
    ranges: readonly PartitionRange[],
    take: (records: readonly WireRecord[]) => Promise<void>,
    signal: AbortSignal,
  ): Promise<void> {
    const { onProgress, reader } = this.#options
    const recordsTotal = ranges.reduce((sum, { from, to }) => sum + Math.max(to - from, 0), 0)
    let records = 0
    let told = 0
    onProgress({ phase, records, recordsTotal })
    await reader.read(
      ranges,
      async (batch: RecordBatch) => {
        await take(batch.records)
        records += batch.nextOffset - batch.fetchedOffset
        if (records - told < PROGRESS_EVERY_RECORDS) return
        told = records
        onProgress({ phase, records, recordsTotal })
      },
      signal,
    )
  }

  /** In log order, but outcomes after all registrations of the run, which is safe: an outcome is final. */
  async #takeRegistrations(records: readonly WireRecord[]): Promise<void> {
    const { clock, defaultIssuer, isServedIssuer, registry, sessionLifetimeMs } = this.#options
    const livingSinceMs = clock.now() - sessionLifetimeMs
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
      const outcome = readOutcome(record)
      if (outcome !== undefined) settled.push(outcome)
      else if (record.timestampMs > livingSinceMs && mayBeRegistration(record.type)) {
        const decoded = decodeRecord(record, defaultIssuer, clock.now())
        if (decoded.kind === 'registration' && isServedIssuer(decoded.registration.issuer)) {
          steps.push({ kind: 'register', registration: decoded.registration, origin: decoded.origin })
        }
      }
      if (steps.length + settled.length >= REGISTRY_STEPS_MAX) await flush()
    }
    await flush()
    await applying
  }

  /**
   * The triggers of the horizon, up to the end: what a replica took in while it had not yet noticed the loss was
   * resolved against an empty store, and may not be committed. With an intact store what is not committed is the
   * replicas' own. A new group has taken in nothing.
   */
  async #triggersOf(ranges: readonly PartitionRange[], isIntact: boolean): Promise<PartitionRange[]> {
    const { clock, groupId, horizonMs, inputTopics, reader } = this.#options
    const committed = await reader.committed(groupId, inputTopics)
    if (committed.length === 0) return []
    const starts = await reader.offsetsAt(inputTopics, clock.now() - horizonMs)
    return ranges.flatMap(({ topic, partition, from, to }) => {
      const isSame = (it: { topic: string; partition: number }) =>
        it.topic === topic && it.partition === partition
      const start = starts.find(isSame)?.offset
      const taken = committed.find(isSame)?.offset
      return start === undefined || taken === undefined
        ? []
        : [{ topic, partition, from: Math.max(start, from), to: isIntact ? Math.min(to, taken) : to }]
    })
  }
}

/** What was written after the earlier look at the ends. */
function since(earlier: readonly PartitionRange[], later: readonly PartitionRange[]): PartitionRange[] {
  return later.map(({ topic, partition, from, to }) => {
    const before = earlier.find((it) => it.topic === topic && it.partition === partition)
    return { topic, partition, to, from: Math.max(before?.to ?? from, from) }
  })
}
