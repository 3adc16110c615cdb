import type { Admission } from '../delivery/admission.ts'
import type { DeliveryTracing } from '../delivery/delivery-tracing.ts'
import type { OpenDeliveries } from '../delivery/open-deliveries.ts'
import type { RelyingParties } from '../delivery/relying-party.ts'
import type { RpSettingsCache } from '../delivery/rp-settings-cache.ts'
import type { DecodeResult } from '../events/decoding/decode-record.ts'
import type { RecordPosition, WireRecord } from '../events/wire-record.ts'
import type { Clock } from '../lib/clock.ts'
import { delay } from '../lib/deferred.ts'
import type { RepeatedStep } from '../lib/repeated-steps.ts'
import { Turns } from '../lib/turns.ts'
import type { OwedAnswer, Registry, RegistryAnswer } from '../registry/registry.ts'
import { BeforeStart, type BeforeStartOptions } from './before-start.ts'
import type { DeadLetters } from './dead-letters.ts'
import { FanOuts } from './fan-outs.ts'
import { Handover, type Known, type SliceItem } from './handover.ts'
import type { IntakeEvents } from './intake-events.ts'
import type { OpenRecord } from './offset-tracker.ts'
import type { PartitionLane } from './partition-lane.ts'
import type { Pipeline } from './pipeline.ts'
import type { TriggerStep } from './trigger-step.ts'

export interface IntakeOptions {
  readonly admission: Admission
  readonly clock: Clock
  readonly deadLetters: DeadLetters
  /** How long a delivery may be tried. Milliseconds. */
  readonly deadlineMs: number
  readonly events: IntakeEvents
  readonly isBeforeStart: BeforeStartOptions['isBeforeStart']
  /** A record that cannot be carried out, for what it says or for what the registry holds; it becomes a dead letter. */
  readonly onRefused: (record: RecordPosition, reason: string) => void
  readonly open: OpenDeliveries
  readonly pipeline: Pipeline
  readonly registry: Registry
  /** Asking the registry, which is repeated until it answers. */
  readonly registryStep: RepeatedStep
  readonly relyingParties: RelyingParties
  readonly settings: RpSettingsCache
  readonly tracing?: DeliveryTracing | undefined
}

/** Steps that share one round trip to the registry. More would only hold more registrations in memory at once. */
const SLICE_RECORDS_MAX = 24
const RETRY_DELAY_MS_MAX = 2_000

/** From records to owed registrations: decode, ask the registry in log order, hand on. Never waits for an RP. */
export class Intake {
  readonly #beforeStart: BeforeStart
  readonly #options: IntakeOptions
  readonly #stopped = new AbortController()
  /** One partition's slice at a time: several that saw the same room would together fill it several times. */
  readonly #turns = new Turns()
  readonly #fanOuts: FanOuts
  readonly #handover: Handover
  /** One dead letter has all of its record, however much of it cannot be carried out. */
  readonly #lettered = new WeakSet<WireRecord>()
  /** Deliveries that a record brought lately, on average; what a slice will bring is known only afterwards. */
  #owedPerRecord = 1

  constructor(options: IntakeOptions) {
    this.#options = options
    this.#beforeStart = new BeforeStart(options)
    this.#handover = new Handover(options, (item, reason) => this.#refuse(item, reason))
    this.#fanOuts = new FanOuts({ open: options.open, stopped: this.#stopped.signal, turns: this.#turns })
  }

  /** Takes no further slice. */
  stop(): void {
    this.#stopped.abort()
    this.#options.open.room.open()
    this.#options.deadLetters.room.open()
    this.#fanOuts.room.open()
  }

  /** Works off a partition's queue; `PartitionLane` calls it when there is something in it. */
  readonly work = async (lane: PartitionLane): Promise<void> => {
    while (lane.queuedRecords > 0 && lane.isOpen && !this.#stopped.signal.aborted) {
      // Not within a turn, which they need to make room.
      await this.#fanOuts.room.wait()
      const endTurn = await this.#turns.take()
      try {
        await this.#options.open.room.wait()
        await this.#options.deadLetters.room.wait()
        if (!lane.isOpen || this.#stopped.signal.aborted) return
        await this.#applySlice(lane, this.#takeSlice(lane))
      } finally {
        endTurn()
      }
    }
  }

  #sliceRecords(): number {
    const fitting = Math.ceil(this.#options.open.places / this.#owedPerRecord)
    return Math.min(Math.max(fitting, 1), SLICE_RECORDS_MAX)
  }

  #takeSlice(lane: PartitionLane): SliceItem[] {
    const { clock, deadLetters, pipeline } = this.#options
    const slice: SliceItem[] = []
    let taken = 0
    const wanted = this.#sliceRecords()
    const now = clock.now()
    while (taken < wanted && deadLetters.room.isOpen) {
      const item = lane.next()
      if (item === undefined) break
      if ('skipTo' in item) {
        lane.tracker.skipTo(item.skipTo)
        continue
      }
      const { record, rest } = item
      const results = rest?.results ?? pipeline.decoders.decode(record, now)
      const open = rest?.open ?? lane.tracker.begin(record.offset)
      if ('kind' in results) {
        if (results.kind !== 'skipped') taken++
        this.#takeUp(results, record, open, slice)
        continue
      }
      const part = results.slice(0, wanted - taken)
      taken += part.length
      for (const result of part) {
        open.owe()
        this.#takeUp(result, record, open, slice)
      }
      if (part.length === results.length) open.settled()
      else lane.putBack(record, { open, results: results.slice(part.length) })
    }
    return slice
  }

  /** One thing that a record says, for which the record owes one. What asks nothing of the registry is settled here. */
  #takeUp(decoded: DecodeResult, wire: WireRecord, record: OpenRecord, slice: SliceItem[]): void {
    const { clock, events, pipeline, tracing } = this.#options
    if (decoded.kind === 'skipped') {
      events.skipped(decoded.reason)
      record.settled()
      return
    }
    if (decoded.kind === 'poison') {
      events.poisoned(wire, decoded.type, decoded.reason)
      this.#publishLetter(wire, decoded.reason, record)
      return
    }
    const now = clock.now()
    const issuer = decoded.kind === 'trigger' ? decoded.trigger.issuer : decoded.registration.issuer
    const isServed = pipeline.serves(issuer)
    // Begun before the registry is asked: its mark tells everybody whose deliveries these are.
    const span = isServed && decoded.kind === 'trigger' ? tracing?.resolving(decoded.trigger, now) : undefined
    const step = pipeline.step(decoded, now, span?.context)
    if (step !== undefined) {
      slice.push({ decoded, step, wire, record, span })
      return
    }
    span?.end(0)
    events.accepted(decoded, isServed ? 'ignored' : 'unknown-issuer', 0)
    record.settled()
  }

  #publishLetter(wire: WireRecord, reason: string, record: OpenRecord): void {
    if (this.#lettered.has(wire)) {
      record.settled()
      return
    }
    this.#lettered.add(wire)
    this.#options.deadLetters.publish(wire, reason, () => record.settled())
  }

  async #applySlice(lane: PartitionLane, slice: readonly SliceItem[]): Promise<void> {
    if (slice.length === 0) return
    const isWanted = () => !lane.isClosed
    const answers = await this.#untilDone(isWanted, async () => {
      const found = await this.#ask(lane, slice)
      await this.#options.settings.refresh(this.#relyingPartiesOf(slice, found))
      return found
    })
    // A closed lane's records are somebody else's now, who reads them again.
    if (answers === undefined || !isWanted()) return
    let owed = 0
    const known: Known = { again: [], further: [] }
    for (const [i, item] of slice.entries()) {
      owed += this.#handOn(lane, item, answers[i] as RegistryAnswer, known)
    }
    if (known.again.length + known.further.length > 0) await this.#handOnKnown(isWanted, known)
    for (const { record } of slice) record.settled()
    if (owed > 0) this.#fanOuts.othersGoOn()
    this.#owedPerRecord = Math.max((this.#owedPerRecord + owed / slice.length) / 2, 1)
  }

  async #ask(lane: PartitionLane, slice: readonly SliceItem[]): Promise<RegistryAnswer[]> {
    const answers = await this.#options.registry.apply(slice.map(({ step }) => step))
    // Few are, and none once the group has passed its start.
    for (const [i, { step, wire }] of slice.entries())
      if (wire.offset < (lane.start ?? 0))
        answers[i] = await this.#beforeStart.withoutOwed(step, answers[i] as RegistryAnswer)
    return answers
  }

  /** Repeats a step until it succeeds; `undefined` when it is not wanted any more, or the service ends. */
  async #untilDone<T>(isWanted: () => boolean, step: () => Promise<T>): Promise<T | undefined> {
    for (let failures = 0; isWanted() && !this.#stopped.signal.aborted; ) {
      try {
        const done = await step()
        if (failures > 0) this.#options.registryStep.onRecovered()
        return done
      } catch (error) {
        failures++
        this.#options.registryStep.onError(error, failures)
        await delay(Math.min(100 * 2 ** (failures - 1), RETRY_DELAY_MS_MAX), this.#stopped.signal)
      }
    }
    return undefined
  }

  #relyingPartiesOf(slice: readonly SliceItem[], answers: readonly RegistryAnswer[]) {
    const { relyingParties } = this.#options
    const found = new Set<ReturnType<RelyingParties['get']>>()
    for (const [i, answer] of answers.entries()) {
      if (answer.kind === 'owed') {
        for (const { registrations } of answer.groups)
          for (const { issuer, clientId } of registrations) found.add(relyingParties.get(issuer, clientId))
      } else if (answer.kind === 'registered' && answer.endedBy !== undefined) {
        const { decoded } = slice[i] as SliceItem
        if (decoded.kind !== 'registration') continue
        found.add(relyingParties.get(decoded.registration.issuer, decoded.registration.clientId))
      }
    }
    return found
  }

  /** Returns how many deliveries are owed. */
  #handOn(lane: PartitionLane, item: SliceItem, answer: RegistryAnswer, known: Known): number {
    const { decoded, record } = item
    if (decoded.kind === 'registration') {
      if (answer.kind === 'refused') this.#refuse(item, answer.reason)
      return this.#handover.late(decoded, record, answer, known)
    }
    if (answer.kind !== 'owed') return 0
    const count = this.#handover.part(item, answer, known)
    const { next, refused } = answer
    if (next !== undefined) {
      record.owe()
      void this.#fanOut(lane, item, { next, count, isRefused: refused !== undefined })
    } else this.#tellOf(item, count, refused !== undefined)
    return count
  }

  /** What the parts of a trigger after the first bring. */
  async #fanOut(
    lane: PartitionLane,
    item: SliceItem,
    so: { next: OwedAnswer['next']; count: number; isRefused: boolean },
  ): Promise<void> {
    const isWanted = () => !lane.isClosed
    const counted = { ...item, record: this.#fanOuts.counted(item.record) }
    const { settings } = this.#options
    const isDone = await this.#fanOuts.run({
      lane,
      bytes: item.wire.value?.byteLength ?? 0,
      ...subjectOf(item.step as TriggerStep),
      startOver: () => {
        so.next = async () => (await this.#ask(lane, [item]))[0] as OwedAnswer
      },
      part: async () => {
        const part = await this.#untilDone(isWanted, async () => {
          const found = (await so.next?.()) ?? { kind: 'owed' as const, groups: [] }
          await settings.refresh(this.#relyingPartiesOf([item], [found]))
          return found
        })
        if (part === undefined || !isWanted()) return 'given-up'
        const known: Known = { again: [], further: [] }
        so.count += this.#handover.part(counted, part, known)
        so.isRefused ||= part.refused !== undefined
        so.next = part.next
        if (known.again.length + known.further.length > 0) await this.#handOnKnown(isWanted, known)
        return part.next === undefined ? 'done' : 'more'
      },
    })
    if (!isDone) return
    this.#tellOf(item, so.count, so.isRefused)
    item.record.settled()
  }

  #tellOf({ decoded, span }: SliceItem, count: number, isRefused: boolean): void {
    span?.end(count)
    const result = count > 0 ? 'accepted' : isRefused ? 'refused' : 'nothing-owed'
    this.#options.events.accepted(decoded, result, count)
  }

  #refuse({ decoded, record, wire }: SliceItem, reason: string): void {
    const { events, onRefused } = this.#options
    const type = decoded.kind === 'trigger' ? decoded.trigger.type : 'backchannel-logout-registered'
    record.owe()
    events.poisoned(wire, type, reason)
    onRefused(wire, reason)
    this.#publishLetter(wire, reason, record)
  }

  async #handOnKnown(isWanted: () => boolean, known: Known): Promise<void> {
    for (const step of this.#handover.stepsFor(known)) await this.#untilDone(isWanted, step)
  }
}

function subjectOf(step: TriggerStep): { subject: string; untilMs: number } {
  const { ending, issuer, kind, userId } = step
  const sessionId = kind === 'end-session' ? step.sessionId : undefined
  return { subject: JSON.stringify([issuer, sessionId, userId]), untilMs: ending.untilMs }
}
