import type { DeliveryTracing } from '../delivery/delivery-tracing.ts'
import type { EndpointChecks } from '../delivery/endpoint-checks.ts'
import type { DecodeResult } from '../events/decoding/decode-record.ts'
import type { RecordPosition, WireRecord } from '../events/wire-record.ts'
import type { Clock } from '../lib/clock.ts'
import type { DeadLetters } from './dead-letters.ts'
import type { DeferredTriggers } from './deferred-triggers.ts'
import type { BatchItem } from './handover.ts'
import type { IntakeEvents } from './intake-events.ts'
import type { OpenRecord } from './offset-tracker.ts'
import type { PartitionQueue } from './partition-queue.ts'
import { issuerOf, type Pipeline, typeOf } from './pipeline.ts'

export interface RecordBatchesOptions {
  readonly clock: Clock
  readonly deadLetters: DeadLetters
  /** Looks at the addresses that records name, without keeping anybody waiting. */
  readonly endpoints?: Pick<EndpointChecks, 'lookAt'>
  readonly events: IntakeEvents
  /** Called for a record that cannot be carried out because of its content or the registry's. It becomes a dead letter. */
  readonly onRefused: (record: RecordPosition, reason: string) => void
  /** Called for each record that names a type nobody here reads. Must be cheap. */
  readonly onUnknownType?: (type: string, record: RecordPosition) => void
  readonly pipeline: Pipeline
  readonly tracing?: DeliveryTracing | undefined
}

/** Records that are decoded in one turn of the event loop, whatever becomes of them. */
const LOOKED_AT_MAX = 100

/** Takes records from the queues of their partitions, decodes them, and gathers what needs a step of the registry. */
export class RecordBatches {
  readonly #options: RecordBatchesOptions
  readonly #deferred: DeferredTriggers
  /** Records that are in a dead letter. One letter holds the whole record. */
  readonly #deadLettered = new WeakSet<WireRecord>()

  constructor(options: RecordBatchesOptions, deferred: DeferredTriggers) {
    this.#options = options
    this.#deferred = deferred
  }

  /** The record becomes a dead letter: an item of it cannot be carried out, in whole or in part. */
  refuse({ decoded, record, wire }: BatchItem, reason: string): void {
    const { events, onRefused } = this.#options
    record.owe()
    events.poisoned(wire, typeOf(decoded), reason)
    onRefused(wire, reason)
    this.#publishDeadLetter(wire, reason, record)
  }

  /**
   * At most `wanted` results of the records that are next. `unprepared`: the record after them, whose schema must be looked up
   * first.
   */
  take(queue: PartitionQueue, wanted: number): { batch: BatchItem[]; unprepared?: WireRecord } {
    const { clock, deadLetters, pipeline } = this.#options
    const batch: BatchItem[] = []
    let taken = 0
    const now = clock.now()
    for (let looked = 0; looked < LOOKED_AT_MAX && taken < wanted && deadLetters.room.isOpen; looked++) {
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
        this.#accept(results, record, open, queue, batch)
        continue
      }
      const part = results.slice(0, wanted - taken)
      taken += part.length
      for (const result of part) {
        open.owe()
        this.#accept(result, record, open, queue, batch)
      }
      if (part.length === results.length) open.acknowledge()
      else queue.putBack(record, { open, results: results.slice(part.length) })
    }
    return { batch }
  }

  /** Adds one decoded result to the batch. Acknowledges a result that needs no step of the registry. */
  #accept(
    decoded: DecodeResult,
    wire: WireRecord,
    record: OpenRecord,
    queue: PartitionQueue,
    batch: BatchItem[],
  ): void {
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
      const item = { decoded, wire, record, span }
      if (this.#deferred.take(queue, { ...item, step }, batch.length)) return
      batch.push({ ...item, step })
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
}
