import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Admission } from '../delivery/admission.ts'
import type { OpenDeliveries } from '../delivery/open-deliveries.ts'
import type { RelyingParties } from '../delivery/relying-party.ts'
import type { RpSettingsCache } from '../delivery/rp-settings-cache.ts'
import type { WireRecord } from '../events/wire-record.ts'
import { delay } from '../lib/deferred.ts'
import type { Gate } from '../lib/gate.ts'
import { Mutex } from '../lib/mutex.ts'
import type { RepeatedStep } from '../lib/repeated-steps.ts'
import type { OwedAnswer, Registry, RegistryAnswer } from '../registry/registry.ts'
import { BeforeStart, type BeforeStartOptions } from './before-start.ts'
import { DeferredTriggers } from './deferred-triggers.ts'
import { FanOuts } from './fan-outs.ts'
import { type BatchItem, Handover, type Known } from './handover.ts'
import type { PartitionQueue } from './partition-queue.ts'
import { RecordBatches, type RecordBatchesOptions } from './record-batches.ts'
import type { TriggerStep } from './trigger-step.ts'

export interface IntakeOptions extends RecordBatchesOptions {
  readonly admission: Admission
  /** Nothing is taken while it is closed. It opens when the service stops. */
  readonly clear?: Pick<Gate, 'wait'>
  readonly isBeforeStart: BeforeStartOptions['isBeforeStart']
  readonly open: OpenDeliveries
  readonly registry: Registry
  /** The repeated call of the registry. */
  readonly registryStep: RepeatedStep
  readonly relyingParties: RelyingParties
  readonly settings: RpSettingsCache
}

/** Steps that share one round trip to the registry. More would only keep more registrations in memory. */
const BATCH_RECORDS_MAX = 24
const RETRY_DELAY_MS_MAX = 2_000

/**
 * Turns records into owed registrations: decodes them, asks the registry in log order and hands deliveries over. Never waits
 * for an RP.
 */
export class Intake {
  readonly #beforeStart: BeforeStart
  readonly #options: IntakeOptions
  readonly #stopped = new AbortController()
  /** Admits one batch at a time: several that see the same free places would fill them several times. */
  readonly #mutex = new Mutex()
  readonly #fanOuts: FanOuts
  readonly #deferred: DeferredTriggers
  readonly #batches: RecordBatches
  readonly #handover: Handover
  /** The recent average of deliveries per record. It predicts the size of the next batch. */
  #owedPerRecord = 1

  constructor(options: IntakeOptions) {
    this.#options = options
    this.#beforeStart = new BeforeStart(options)
    this.#handover = new Handover(options, (item, reason) => this.#batches.refuse(item, reason))
    const turns = {
      open: options.open,
      shares: options.relyingParties.shares,
      stopped: this.#stopped.signal,
      mutex: this.#mutex,
    }
    this.#fanOuts = new FanOuts(turns)
    this.#deferred = new DeferredTriggers({
      ...turns,
      owedPerTrigger: () => this.#owedPerRecord,
      apply: (queue, batch) => this.#applyBatch(queue, batch),
    })
    this.#batches = new RecordBatches(options, this.#deferred)
  }

  stop(): void {
    this.#stopped.abort()
    this.#options.open.room.open()
    this.#options.deadLetters.room.open()
    this.#fanOuts.room.open()
    this.#deferred.room.open()
  }

  /** Processes a partition's queue. `PartitionQueue` calls it when the queue is not empty. */
  readonly work = async (queue: PartitionQueue): Promise<void> => {
    while (queue.queuedRecords > 0 && queue.isOpen && !this.#stopped.signal.aborted) {
      // Not while holding the mutex, which fan-outs need to make room.
      await this.#fanOuts.room.wait()
      await this.#deferred.room.wait()
      await this.#options.clear?.wait()
      const release = await this.#mutex.acquire()
      let unprepared: WireRecord | undefined
      let isIdle = false
      try {
        await this.#options.open.room.wait()
        await this.#options.deadLetters.room.wait()
        if (!queue.isOpen || this.#stopped.signal.aborted) return
        const taken = this.#batches.take(queue, this.#batchRecords())
        unprepared = taken.unprepared
        isIdle = taken.batch.length === 0
        await this.#applyBatch(queue, taken.batch)
      } finally {
        release()
      }
      // Not while holding the mutex: other partitions go on, however long it takes.
      if (unprepared !== undefined) await this.#prepare(queue, unprepared)
      // Nothing was awaited: a fetched batch of records that need no step must not stop the event loop.
      else if (isIdle) await nextTurn()
    }
  }

  #batchRecords(): number {
    const fitting = Math.ceil(this.#options.open.places / this.#owedPerRecord)
    return Math.min(Math.max(fitting, 1), BATCH_RECORDS_MAX)
  }

  /** Until the schema of the queue's next record is known. */
  async #prepare(queue: PartitionQueue, record: WireRecord): Promise<void> {
    const { decoders } = this.#options.pipeline
    // The check of the registry tells of it, with the remedy.
    const silent = { onError: () => undefined, onRecovered: () => undefined }
    await this.#untilDone(
      () => queue.isOpen,
      async () => decoders.prepare(record),
      silent,
    )
  }

  async #applyBatch(queue: PartitionQueue, batch: readonly BatchItem[]): Promise<void> {
    if (batch.length === 0) return
    const isWanted = () => !queue.isClosed
    const answers = await this.#untilDone(isWanted, async () => {
      const found = await this.#ask(queue, batch)
      await this.#options.settings.refresh(this.#relyingPartiesOf(batch, found))
      return found
    })
    // The new owner of a closed queue reads its records again.
    if (answers === undefined || !isWanted()) return
    let owed = 0
    const known: Known = { again: [], further: [] }
    for (const [i, item] of batch.entries()) {
      owed += this.#handOver(queue, item, answers[i] as RegistryAnswer, known)
    }
    if (known.again.length + known.further.length > 0) await this.#handOverKnown(isWanted, known)
    for (const { record } of batch) record.acknowledge()
    if (owed > 0) this.#fanOuts.noteOtherTraffic()
    this.#owedPerRecord = Math.max((this.#owedPerRecord + owed / batch.length) / 2, 1)
  }

  async #ask(queue: PartitionQueue, batch: readonly BatchItem[]): Promise<RegistryAnswer[]> {
    const answers = await this.#options.registry.apply(batch.map(({ step }) => step))
    // Rare, and impossible once the group has passed its start.
    for (const [i, { step, wire }] of batch.entries())
      if (wire.offset < queue.silentBefore)
        answers[i] = await this.#beforeStart.settleSilently(step, answers[i] as RegistryAnswer)
    return answers
  }

  /** Repeats a step until it succeeds. `undefined` when it is no longer wanted or the service stops. */
  async #untilDone<T>(
    isWanted: () => boolean,
    step: () => Promise<T>,
    { onError, onRecovered }: RepeatedStep = this.#options.registryStep,
  ): Promise<T | undefined> {
    for (let failures = 0; isWanted() && !this.#stopped.signal.aborted; ) {
      try {
        const done = await step()
        if (failures > 0) onRecovered()
        return done
      } catch (error) {
        failures++
        onError(error, failures)
        await delay(Math.min(100 * 2 ** (failures - 1), RETRY_DELAY_MS_MAX), this.#stopped.signal)
      }
    }
    return undefined
  }

  #relyingPartiesOf(batch: readonly BatchItem[], answers: readonly RegistryAnswer[]) {
    const { relyingParties } = this.#options
    const found = new Set<ReturnType<RelyingParties['get']>>()
    for (const [i, answer] of answers.entries()) {
      if (answer.kind === 'owed') {
        for (const { registrations } of answer.groups)
          for (const { issuer, clientId } of registrations) found.add(relyingParties.get(issuer, clientId))
      } else if (answer.kind === 'registered' && answer.endedBy !== undefined) {
        const { decoded } = batch[i] as BatchItem
        if (decoded.kind !== 'registration') continue
        found.add(relyingParties.get(decoded.registration.issuer, decoded.registration.clientId))
      }
    }
    return found
  }

  /** Returns the number of deliveries owed. */
  #handOver(queue: PartitionQueue, item: BatchItem, answer: RegistryAnswer, known: Known): number {
    const { decoded, record } = item
    if (decoded.kind === 'registration') {
      if (answer.kind === 'refused') this.#batches.refuse(item, answer.reason)
      return this.#handover.deliverLate(decoded, record, answer, known)
    }
    if (answer.kind === 'configured') this.#options.events.accepted(decoded, 'accepted', 0)
    if (answer.kind !== 'owed') return 0
    const count = this.#handover.deliverOwed(item, answer, known)
    const { next, refused } = answer
    if (next !== undefined) {
      record.owe()
      void this.#fanOut(queue, item, { next, count, isRefused: refused !== undefined })
    } else this.#reportAccepted(item, count, refused !== undefined)
    return count
  }

  /** Delivers the parts of a trigger after the first. */
  async #fanOut(
    queue: PartitionQueue,
    item: BatchItem,
    progress: { next: OwedAnswer['next']; count: number; isRefused: boolean },
  ): Promise<void> {
    const isWanted = () => !queue.isClosed
    const step = item.step as TriggerStep
    const counted = { ...item, record: this.#fanOuts.counted(step.issuer, item.record) }
    const { settings } = this.#options
    const isDone = await this.#fanOuts.run({
      queue,
      bytes: item.wire.value?.byteLength ?? 0,
      ...subjectOf(step),
      startOver: () => {
        progress.next = async () => (await this.#ask(queue, [item]))[0] as OwedAnswer
      },
      part: async () => {
        const part = await this.#untilDone(isWanted, async () => {
          const found = (await progress.next?.()) ?? { kind: 'owed' as const, groups: [] }
          await settings.refresh(this.#relyingPartiesOf([item], [found]))
          return found
        })
        if (part === undefined || !isWanted()) return 'given-up'
        const known: Known = { again: [], further: [] }
        progress.count += this.#handover.deliverOwed(counted, part, known)
        progress.isRefused ||= part.refused !== undefined
        progress.next = part.next
        if (known.again.length + known.further.length > 0) await this.#handOverKnown(isWanted, known)
        return part.next === undefined ? 'done' : 'more'
      },
    })
    if (!isDone) return
    this.#reportAccepted(item, progress.count, progress.isRefused)
    item.record.acknowledge()
  }

  #reportAccepted({ decoded, span }: BatchItem, count: number, isRefused: boolean): void {
    span?.end(count)
    const result = count > 0 ? 'accepted' : isRefused ? 'refused' : 'nothing-owed'
    this.#options.events.accepted(decoded, result, count)
  }

  async #handOverKnown(isWanted: () => boolean, known: Known): Promise<void> {
    for (const step of this.#handover.stepsFor(known)) await this.#untilDone(isWanted, step)
  }
}

function subjectOf(step: TriggerStep): { issuer: string; subject: string; untilMs: number } {
  const { ending, issuer, kind, userId } = step
  const sessionId = kind === 'end-session' ? step.sessionId : undefined
  return { issuer, subject: JSON.stringify([issuer, sessionId, userId]), untilMs: ending.untilMs }
}
