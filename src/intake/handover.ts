import type { Admission } from '../delivery/admission.ts'
import type { TriggerSpan } from '../delivery/delivery-tracing.ts'
import type { OpenDeliveries } from '../delivery/open-deliveries.ts'
import type { Owed } from '../delivery/resolve.ts'
import type { DecodeResult } from '../events/decoding/decode-record.ts'
import type { WireRecord } from '../events/wire-record.ts'
import type { Clock } from '../lib/clock.ts'
import type { OwedGroup } from '../registry/ending.ts'
import type { HeldRegistration, OwedAnswer, RegistryAnswer, RegistryStep } from '../registry/registry.ts'
import type { IntakeEvents } from './intake-events.ts'
import type { OpenRecord } from './offset-tracker.ts'
import type { Pipeline } from './pipeline.ts'

export type Taken = Extract<DecodeResult, { kind: 'trigger' | 'registration' | 'client' }>

export interface BatchItem {
  readonly decoded: Taken
  readonly step: RegistryStep
  readonly wire: WireRecord
  readonly record: OpenRecord
  readonly span: TriggerSpan | undefined
}

/** Deliveries that may be under way already. */
export interface Known {
  readonly again: Owed[]
  readonly further: Owed[]
}

export interface HandoverOptions {
  readonly admission: Admission
  readonly clock: Clock
  readonly pipeline: Pick<Pipeline, 'deadlineMs'>
  readonly events: Pick<IntakeEvents, 'accepted'>
  readonly open: OpenDeliveries
}

/** Hands the registry's answers over to the delivery. */
export class Handover {
  readonly #options: HandoverOptions
  readonly #refuse: (item: BatchItem, reason: string) => void

  /** `refuse` is called when an item cannot be carried out, in whole or in part. */
  constructor(options: HandoverOptions, refuse: (item: BatchItem, reason: string) => void) {
    this.#options = options
    this.#refuse = refuse
  }

  /** Returns the number of deliveries owed. */
  deliverOwed(item: BatchItem, answer: OwedAnswer, known: Known): number {
    const { record } = item
    const { admission } = this.#options
    if (answer.refused !== undefined) this.#refuse(item, answer.refused)
    let count = 0
    for (const { registrations, broken } of answer.groups) count += registrations.length + broken.length
    for (let i = 0; i < count; i++) record.owe()
    const fresh: Owed[] = []
    for (const group of answer.groups) {
      this.#sort(group, record, fresh, known)
      for (const it of group.broken) admission.refuse(it, group.ending, record)
    }
    admission.admit(fresh)
    return count
  }

  /** A login that raced the logout: its session has ended, so the RP is told at once. Returns the number of deliveries owed. */
  deliverLate(
    decoded: Extract<Taken, { kind: 'registration' }>,
    record: OpenRecord,
    answer: RegistryAnswer,
    known: Known,
  ): number {
    const { admission, clock, events, pipeline } = this.#options
    if (answer.kind !== 'registered' || answer.endedBy === undefined) {
      const isKept = answer.kind === 'already-settled' || answer.kind === 'refused'
      events.accepted(decoded, isKept ? answer.kind : 'accepted', 0)
      return 0
    }
    events.accepted(decoded, 'late-registration', 1)
    record.owe()
    const now = clock.now()
    const { endedBy } = answer
    const relation = answer.isRepeated === true ? 'again' : 'fresh'
    // It has not been attempted yet, but may arrive after its ending's deadline.
    const isOver = relation === 'fresh' && (endedBy.deadlineMs ?? now) <= now
    const ending = isOver
      ? { ...endedBy, deadlineMs: now + pipeline.deadlineMs(decoded.registration.issuer) }
      : endedBy
    const fresh: Owed[] = []
    this.#sort({ relation, ending, registrations: [decoded.registration] }, record, fresh, known)
    admission.admit(fresh)
    return 1
  }

  /** Delivers fresh registrations. Others join their delivery if it is under way here. */
  #sort(
    { relation, ending, registrations }: Pick<OwedGroup, 'relation' | 'ending' | 'registrations'>,
    sourceRecord: OpenRecord,
    fresh: Owed[],
    { again, further }: Known,
  ): void {
    const { clock, open, pipeline } = this.#options
    const deadlineMs = ending.deadlineMs ?? clock.now() + pipeline.deadlineMs(registrations[0]?.issuer ?? '')
    const owedOf = (registration: HeldRegistration): Owed => ({
      registration,
      cause: ending,
      deadlineMs,
      sourceRecord,
    })
    if (relation === 'fresh') {
      for (const registration of registrations) fresh.push(owedOf(registration))
      return
    }
    const known = relation === 'again' ? again : further
    // Whoever holds the delivery ends it. A late registration has its own deadline.
    const isOver = relation === 'further' && clock.now() >= deadlineMs
    for (const registration of registrations) {
      if (open.join(registration, sourceRecord)) continue
      if (isOver) sourceRecord.acknowledge()
      else known.push(owedOf(registration))
    }
  }

  /**
   * The remaining steps for known deliveries; the caller repeats each until it succeeds. They never start an attempt beside
   * another replica's: a repeated record takes only what nobody holds, and a further trigger only makes parked deliveries
   * due.
   */
  stepsFor({ again, further }: Known): readonly (() => Promise<void>)[] {
    const { admission } = this.#options
    return [
      ...(again.length > 0 ? [() => admission.readmit(again)] : []),
      ...(further.length > 0 ? [() => admission.makeDue(further)] : []),
    ]
  }
}
