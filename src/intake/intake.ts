import type { Admission } from '../delivery/admission.ts'
import type { DeliveryTracing } from '../delivery/delivery-tracing.ts'
import type { EndpointChecks } from '../delivery/endpoint-checks.ts'
import type { OpenDeliveries } from '../delivery/open-deliveries.ts'
import type { RelyingParties } from '../delivery/relying-party.ts'
import type { RpSettingsCache } from '../delivery/rp-settings-cache.ts'
import type { DecodeResult } from '../events/decoding/decode-record.ts'
import type { RecordPosition, WireRecord } from '../events/wire-record.ts'
import type { Clock } from '../lib/clock.ts'
import { delay } from '../lib/deferred.ts'
import type { Gate } from '../lib/gate.ts'
import { Mutex } from '../lib/mutex.ts'
import type { RepeatedStep } from '../lib/repeated-steps.ts'
import type { OwedAnswer, Registry, RegistryAnswer } from '../registry/registry.ts'
import { BeforeStart, type BeforeStartOptions } from './before-start.ts'
import type { DeadLetters } from './dead-letters.ts'
import { FanOuts } from './fan-outs.ts'
import { type BatchItem, Handover, type Known } from './handover.ts'
import type { IntakeEvents } from './intake-events.ts'
import type { OpenRecord } from './offset-tracker.ts'
import type { PartitionQueue } from './partition-queue.ts'
import { issuerOf, type Pipeline, typeOf } from './pipeline.ts'
import type { TriggerStep } from './trigger-step.ts'

export interface IntakeOptions {
  readonly admission: Admission
  /** Nothing is taken while it is closed. It opens when the service stops. */
  readonly clear?: Pick<Gate, 'wait'>
  readonly clock: Clock
  readonly deadLetters: DeadLetters
  /** Looks at the addresses that records name, without keeping anybody waiting. */
  readonly endpoints?: Pick<EndpointChecks, 'lookAt'>
  readonly events: IntakeEvents
  readonly isBeforeStart: BeforeStartOptions['isBeforeStart']
  /** Called for a record that cannot be carried out because of its content or the registry's. It becomes a dead letter. */
  readonly onRefused: (record: RecordPosition, reason: string) => void
  /** Called for each record that names a type nobody here reads. Must be cheap. */
  readonly onUnknownType?: (type: string, record: RecordPosition) => void
  readonly open: OpenDeliveries
  readonly pipeline: Pipeline
  readonly registry: Registry
  /** The repeated call of the registry. */
  readonly registryStep: RepeatedStep
  readonly relyingParties: RelyingParties
  readonly settings: RpSettingsCache
  readonly tracing?: DeliveryTracing | undefined
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
  readonly #handover: Handover
  /** Records that are in a dead letter. One letter holds the whole record. */
  readonly #deadLettered = new WeakSet<WireRecord>()
  /** The recent average of deliveries per record. It predicts the size of the next batch. */
  #owedPerRecord = 1

  constructor(options: IntakeOptions) {
    this.#options = options
    this.#beforeStart = new BeforeStart(options)
    this.#handover = new Handover(options, (item, reason) => this.#refuse(item, reason))
    this.#fanOuts = new FanOuts({
      open: options.open,
      shares: options.relyingParties.shares,
      stopped: this.#stopped.signal,
      mutex: this.#mutex,
    })
  }

  stop(): void {
    this.#stopped.abort()
    this.#options.open.room.open()
    this.#options.deadLetters.room.open()
    this.#fanOuts.room.open()
  }

  /** Processes a partition's queue. `PartitionQueue` calls it when the queue is not empty. */
  readonly work = async (queue: PartitionQueue): Promise<void> => {
    while (queue.queuedRecords > 0 && queue.isOpen && !this.#stopped.signal.aborted) {
      // Not while holding the mutex, which fan-outs need to make room.
      await this.#fanOuts.room.wait()
      await this.#options.clear?.wait()
      const release = await this.#mutex.acquire()
      let unprepared: WireRecord | undefined
      try {
        await this.#options.open.room.wait()
        await this.#options.deadLetters.room.wait()
        if (!queue.isOpen || this.#stopped.signal.aborted) return
        const taken = this.#takeBatch(queue)
        unprepared = taken.unprepared
        await this.#applyBatch(queue, taken.batch)
      } finally {
        release()
      }
      // Not while holding the mutex: other partitions go on, however long it takes.
      if (unprepared !== undefined) await this.#prepare(queue, unprepared)
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

  /** `unprepared`: the record that is next, and whose schema must be looked up first. */
  #takeBatch(queue: PartitionQueue): { batch: BatchItem[]; unprepared?: WireRecord } {
    const { clock, deadLetters, pipeline } = this.#options
    const batch: BatchItem[] = []
    let taken = 0
    const wanted = this.#batchRecords()
    const now = clock.now()
    while (taken < wanted && deadLetters.room.isOpen) {
      const item = queue.next()
      if (item === undefined) break
      if ('skipTo' in item) {
        queue.tracker.skipTo(item.skipTo)
        continue
      }
      const { record, rest } = item
      const preparing = rest === undefined ? pipeline.decoders.prepare(record) : undefined
      if (preparing !== undefined) {
        // It is asked for again, and awaited, once this batch is applied.
        preparing.catch(() => undefined)
        queue.putBack(record)
        return { batch, unprepared: record }
      }
      const results = rest?.results ?? pipeline.decoders.decode(record, now)
      const open = rest?.open ?? queue.tracker.begin(record.offset)
      if ('kind' in results) {
        if (results.kind !== 'skipped') taken++
        this.#accept(results, record, open, batch)
        continue
      }
      const part = results.slice(0, wanted - taken)
      taken += part.length
      for (const result of part) {
        open.owe()
        this.#accept(result, record, open, batch)
      }
      if (part.length === results.length) open.acknowledge()
      else queue.putBack(record, { open, results: results.slice(part.length) })
    }
    return { batch }
  }

  /** Adds one decoded result to the batch. Acknowledges a result that needs no step of the registry. */
  #accept(decoded: DecodeResult, wire: WireRecord, record: OpenRecord, batch: BatchItem[]): void {
    const { clock, events, pipeline, tracing } = this.#options
    if (decoded.kind === 'skipped') {
      events.skipped(decoded.reason)
      if (decoded.reason === 'unknown-type' && decoded.type !== undefined)
        this.#options.onUnknownType?.(decoded.type, wire)
      record.acknowledge()
      return
    }
    if (decoded.kind === 'poison') {
      events.poisoned(wire, decoded.type, decoded.reason)
      this.#publishDeadLetter(wire, decoded.reason, record)
      return
    }
    const now = clock.now()
    const isServed = pipeline.serves(issuerOf(decoded))
    // The span begins before the registry is asked, because the mark carries its context to every delivery.
    const span = isServed && decoded.kind === 'trigger' ? tracing?.resolving(decoded.trigger, now) : undefined
    const step = pipeline.step(decoded, now, span?.context)
    if (step !== undefined) {
      this.#options.endpoints?.lookAt(step)
      batch.push({ decoded, step, wire, record, span })
      return
    }
    span?.end(0)
    const result = decoded.kind === 'registration' ? 'retired' : 'ignored'
    events.accepted(decoded, isServed ? result : 'unknown-issuer', 0)
    record.acknowledge()
  }

  #publishDeadLetter(wire: WireRecord, reason: string, record: OpenRecord): void {
    if (this.#deadLettered.has(wire)) {
      record.acknowledge()
      return
    }
    this.#deadLettered.add(wire)
    this.#options.deadLetters.publish(wire, reason, () => record.acknowledge())
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
      if (answer.kind === 'refused') this.#refuse(item, answer.reason)
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

  #refuse({ decoded, record, wire }: BatchItem, reason: string): void {
    const { events, onRefused } = this.#options
    record.owe()
    events.poisoned(wire, typeOf(decoded), reason)
    onRefused(wire, reason)
    this.#publishDeadLetter(wire, reason, record)
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
