import type { Admission } from '../delivery/admission.ts'
import type { DeliveryTracing, TriggerSpan } from '../delivery/delivery-tracing.ts'
import type { OpenDeliveries } from '../delivery/open-deliveries.ts'
import type { RelyingParties } from '../delivery/relying-party.ts'
import type { RpSettingsCache } from '../delivery/rp-settings-cache.ts'
import { type DecodeResult, decodeRecord } from '../events/decode/decode-record.ts'
import { mayBeTrigger } from '../events/decode/known-types.ts'
import type { WireRecord } from '../events/wire-record.ts'
import type { Clock } from '../lib/clock.ts'
import { delay } from '../lib/deferred.ts'
import type { RepeatedStep } from '../lib/repeated-steps.ts'
import { Turns } from '../lib/turns.ts'
import type { DeadLetters } from '../outcome/dead-letters.ts'
import type { Registry, RegistryAnswer, RegistryStep } from '../registry/registry.ts'
import type { IntakeEvents } from './intake-events.ts'
import type { OpenRecord } from './offset-tracker.ts'
import { OpenRecords } from './open-records.ts'
import type { PartitionLane } from './partition-lane.ts'
import { causeOf, triggerStep } from './trigger-step.ts'

export interface IntakeOptions {
  readonly admission: Admission
  readonly clock: Clock
  readonly deadLetters: DeadLetters
  /** How long a delivery may be tried. Milliseconds. */
  readonly deadlineMs: number
  readonly defaultIssuer: string
  readonly events: IntakeEvents
  readonly isServedIssuer: (issuer: string) => boolean
  readonly open: OpenDeliveries
  readonly registry: Registry
  /** Asking the registry, which is repeated until it answers. */
  readonly registryStep: RepeatedStep
  readonly relyingParties: RelyingParties
  readonly settings: RpSettingsCache
  /** What `user-signed-out` without a session means: every session of the user, or nothing. */
  readonly signedOutWithoutSession: 'fan-out' | 'ignore'
  readonly tracing?: DeliveryTracing | undefined
}

/** Records that share one round trip to the registry. More would only hold more registrations in memory at once. */
const SLICE_RECORDS_MAX = 24
const RETRY_DELAY_MS_MAX = 2_000

type Taken = Extract<DecodeResult, { kind: 'trigger' | 'registration' }>

interface SliceItem {
  readonly decoded: Taken
  readonly step: RegistryStep
  readonly record: OpenRecord
}

/** From records to owed registrations: decode, ask the registry in log order, hand on. Never waits for an RP. */
export class Intake {
  readonly #options: IntakeOptions
  readonly #stopped = new AbortController()
  readonly #again = new OpenRecords()
  /** One partition's slice at a time: several that saw the same room would together fill it several times. */
  readonly #turns = new Turns()
  /** Deliveries that a record brought lately, on average; what a slice will bring is known only afterwards. */
  #owedPerRecord = 1

  constructor(options: IntakeOptions) {
    this.#options = options
  }

  /** Takes no further slice. */
  stop(): void {
    this.#stopped.abort()
    this.#options.open.room.open()
    this.#options.deadLetters.room.open()
  }

  /** Works off a partition's queue; `PartitionLane` calls it when there is something in it. */
  readonly work = async (lane: PartitionLane): Promise<void> => {
    while (lane.queuedRecords > 0 && lane.isOpen && !this.#stopped.signal.aborted) {
      const endTurn = await this.#turns.take()
      try {
        await this.#options.open.room.wait()
        await this.#options.deadLetters.room.wait()
        if (!lane.isOpen || this.#stopped.signal.aborted) return
        await this.#applySlice(() => !lane.isClosed, this.#takeSlice(lane))
      } finally {
        endTurn()
      }
    }
  }

  /**
   * Runs triggers again that were consumed before: what is still registered is still owed, whatever else was sent.
   * Resolves when everything is handed on.
   */
  async runAgain(records: readonly WireRecord[], registry: Registry, signal: AbortSignal): Promise<void> {
    const { defaultIssuer, open } = this.#options
    let slice: SliceItem[] = []
    const apply = async (): Promise<void> => {
      // No turn is taken: a slice that waits for the registry to be built has it.
      await open.room.wait()
      await this.#applySlice(() => !signal.aborted, slice, registry)
      slice = []
    }
    for (const record of records) {
      // Most of what is read again are registrations and outcomes.
      if (!mayBeTrigger(record.type)) continue
      const decoded = decodeRecord(record, defaultIssuer)
      if (decoded.kind !== 'trigger') continue
      const step = this.#stepFor(decoded)
      if (step !== undefined) slice.push({ decoded, step, record: this.#again.begin() })
      if (slice.length >= this.#sliceRecords()) await apply()
    }
    await apply()
  }

  /** Resolves when everything that was run again has its outcome or is parked, or `signal` aborts. */
  againSettled(signal: AbortSignal): Promise<void> {
    return this.#again.allSettled(signal)
  }

  #sliceRecords(): number {
    const fitting = Math.ceil(this.#options.open.places / this.#owedPerRecord)
    return Math.min(Math.max(fitting, 1), SLICE_RECORDS_MAX)
  }

  #takeSlice(lane: PartitionLane): SliceItem[] {
    const slice: SliceItem[] = []
    let taken = 0
    const wanted = this.#sliceRecords()
    while (taken < wanted) {
      const item = lane.next()
      if (item === undefined) break
      if ('skipTo' in item) {
        lane.tracker.skipTo(item.skipTo)
        continue
      }
      const decoded = decodeRecord(item.record, this.#options.defaultIssuer)
      if (decoded.kind === 'skipped') {
        this.#options.events.skipped(decoded.reason)
        lane.tracker.skipTo(item.record.offset + 1)
        continue
      }
      taken++
      const record = lane.tracker.begin(item.record.offset)
      if (decoded.kind === 'poison') {
        this.#options.events.poisoned(item.record, decoded.type, decoded.reason)
        this.#options.deadLetters.publish(item.record, decoded.reason, () => record.settled())
        continue
      }
      const step = this.#stepFor(decoded)
      if (step === undefined) record.settled()
      else slice.push({ decoded, step, record })
    }
    return slice
  }

  /** What the registry must do for a record; `undefined` when there is nothing to do, which is counted. */
  #stepFor(decoded: Taken): RegistryStep | undefined {
    const { events, isServedIssuer, signedOutWithoutSession } = this.#options
    const issuer = decoded.kind === 'trigger' ? decoded.trigger.issuer : decoded.registration.issuer
    if (!isServedIssuer(issuer)) {
      events.accepted(decoded, 'unknown-issuer', 0)
      return undefined
    }
    if (decoded.kind === 'registration') {
      return { kind: 'register', registration: decoded.registration, origin: decoded.origin }
    }
    const step = triggerStep(decoded.trigger, signedOutWithoutSession)
    if (step === undefined) events.accepted(decoded, 'ignored', 0)
    return step
  }

  async #applySlice(
    isWanted: () => boolean,
    slice: readonly SliceItem[],
    registry = this.#options.registry,
  ): Promise<void> {
    if (slice.length === 0) return
    const startedAtMs = this.#options.clock.now()
    const answers = await this.#untilDone(isWanted, async () => {
      const found = await registry.apply(slice.map(({ step }) => step))
      await this.#options.settings.refresh(this.#relyingPartiesOf(slice, found))
      return found
    })
    // A closed lane's records are somebody else's now, who reads them again.
    if (answers === undefined || !isWanted()) return
    let owed = 0
    for (const [i, item] of slice.entries()) {
      owed += this.#traced(item, answers[i] as RegistryAnswer, startedAtMs)
      item.record.settled()
    }
    this.#owedPerRecord = Math.max((this.#owedPerRecord + owed / slice.length) / 2, 1)
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
        for (const { issuer, clientId } of answer.registrations)
          found.add(relyingParties.get(issuer, clientId))
      } else if (answer.kind === 'registered' && answer.endedBy !== undefined) {
        const { decoded } = slice[i] as SliceItem
        if (decoded.kind !== 'registration') continue
        found.add(relyingParties.get(decoded.registration.issuer, decoded.registration.clientId))
      }
    }
    return found
  }

  #traced(item: SliceItem, answer: RegistryAnswer, startedAtMs: number): number {
    const { tracing } = this.#options
    if (tracing === undefined || item.decoded.kind !== 'trigger') return this.#handOn(item, answer)
    const span = tracing.resolving(item.decoded.trigger, startedAtMs)
    const owed = this.#handOn(item, answer, span)
    span.end(owed)
    return owed
  }

  /** Returns how many deliveries are owed. */
  #handOn({ decoded, record }: SliceItem, answer: RegistryAnswer, span?: TriggerSpan): number {
    const { admission, clock, deadlineMs, events } = this.#options
    const until = clock.now() + deadlineMs
    if (decoded.kind === 'registration') {
      const { registration, origin } = decoded
      if (answer.kind !== 'registered' || answer.endedBy === undefined) {
        const isKept = answer.kind === 'already-settled' || answer.kind === 'refused'
        events.accepted(decoded, isKept ? answer.kind : 'accepted', 0)
        return 0
      }
      // The login raced the logout: its session has ended, so the RP is told at once.
      events.accepted(decoded, 'late-registration', 1)
      const occurredAtMs = registration.registeredAtMs ?? clock.now()
      const cause = { origin: answer.endedBy ?? origin, occurredAtMs, everywhere: false }
      record.owe()
      admission.admit([{ registration, cause, deadlineMs: until, creditor: record }])
      return 1
    }
    if (answer.kind !== 'owed') return 0
    const { registrations, broken } = answer
    const owed = registrations.length + broken.length
    events.accepted(decoded, owed === 0 ? 'nothing-owed' : 'accepted', owed)
    const cause = causeOf(decoded.trigger, span?.context)
    for (let i = 0; i < owed; i++) record.owe()
    admission.admit(
      registrations.map((registration) => ({ registration, cause, deadlineMs: until, creditor: record })),
    )
    for (const it of broken) admission.refuse(it, cause, record)
    return owed
  }
}
