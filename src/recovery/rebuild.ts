import { randomUUID } from 'node:crypto'
import { decodeRecord } from '../events/decode/decode-record.ts'
import { readOutcome } from '../events/outcome.ts'
import type { WireRecord } from '../events/wire-record.ts'
import type { RecordBatch } from '../kafka/record-source.ts'
import type { Clock } from '../lib/clock.ts'
import { delay } from '../lib/deferred.ts'
import type { RegistrationKey, Registry, RegistryStep } from '../registry/registry.ts'
import type { EpochStore } from './epoch-store.ts'
import type { LogReader, PartitionRange } from './log-reader.ts'

export interface RebuildOptions {
  readonly clock: Clock
  readonly defaultIssuer: string
  readonly epoch: EpochStore
  readonly groupId: string
  /** Triggers that were consumed so long ago or later are run again. Milliseconds. */
  readonly horizonMs: number
  readonly inputTopics: readonly string[]
  readonly isServedIssuer: (issuer: string) => boolean
  readonly onProgress: (progress: RebuildProgress) => void
  readonly outcomeTopic: string
  readonly reader: LogReader
  readonly registry: Registry
  /** Runs triggers again that were consumed before; sends what is still owed. */
  readonly runAgain: (records: readonly WireRecord[], signal: AbortSignal) => Promise<void>
}

export interface RebuildProgress {
  readonly phase: 'waiting' | 'registrations' | 'triggers' | 'done'
  readonly records: number
  readonly recordsTotal: number
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

  /** Resolves when the registry holds what the log says. Throws when the log or the store is out of reach. */
  async ensure(signal: AbortSignal): Promise<void> {
    const { epoch, onProgress } = this.#options
    while (!signal.aborted && !(await epoch.isIntact())) {
      if (await epoch.lock(this.#owner, LOCK_MS)) {
        await this.#underLock(signal)
        return
      }
      onProgress({ phase: 'waiting', records: 0, recordsTotal: 0 })
      await delay(WAIT_MS, signal)
    }
  }

  async #underLock(signal: AbortSignal): Promise<void> {
    const { epoch } = this.#options
    const renewal = setInterval(() => epoch.lock(this.#owner, LOCK_MS).catch(() => undefined), LOCK_MS / 3)
    try {
      await this.#run(signal)
      await epoch.confirm()
    } finally {
      clearInterval(renewal)
      await epoch.unlock(this.#owner).catch(() => undefined)
    }
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { inputTopics, onProgress, outcomeTopic, reader } = this.#options
    const ranges = await reader.bounds([...inputTopics, outcomeTopic])
    await this.#readAll('registrations', ranges, (records) => this.#takeRegistrations(records), signal)
    const again = await this.#consumedTriggers(ranges)
    await this.#readAll('triggers', again, (records) => this.#options.runAgain(records, signal), signal)
    onProgress({ phase: 'done', records: 0, recordsTotal: 0 })
  }

  async #readAll(
    phase: 'registrations' | 'triggers',
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
    const { defaultIssuer, isServedIssuer, registry } = this.#options
    let steps: RegistryStep[] = []
    let settled: RegistrationKey[] = []
    const flush = async (): Promise<void> => {
      if (steps.length > 0) await registry.apply(steps)
      if (settled.length > 0) await registry.forget(settled)
      steps = []
      settled = []
    }
    for (const record of records) {
      const outcome = readOutcome(record)
      if (outcome !== undefined) settled.push(outcome)
      else {
        const decoded = decodeRecord(record, defaultIssuer)
        if (decoded.kind === 'registration' && isServedIssuer(decoded.registration.issuer)) {
          steps.push({ kind: 'register', registration: decoded.registration, origin: decoded.origin })
        }
      }
      if (steps.length + settled.length >= REGISTRY_STEPS_MAX) await flush()
    }
    await flush()
  }

  /** What the group has consumed already; the rest it will consume by itself. A new group has consumed nothing. */
  async #consumedTriggers(ranges: readonly PartitionRange[]): Promise<PartitionRange[]> {
    const { clock, groupId, horizonMs, inputTopics, reader } = this.#options
    const committed = await reader.committed(groupId, inputTopics)
    if (committed.length === 0) return []
    const starts = await reader.offsetsAt(inputTopics, clock.now() - horizonMs)
    return ranges.flatMap(({ topic, partition, from }) => {
      const isSame = (it: { topic: string; partition: number }) =>
        it.topic === topic && it.partition === partition
      const end = committed.find(isSame)?.offset
      const start = starts.find(isSame)?.offset
      return end === undefined || start === undefined
        ? []
        : [{ topic, partition, from: Math.max(start, from), to: end }]
    })
  }
}
