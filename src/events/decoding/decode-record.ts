import { CLOCK_TOLERANCE_MS, claimedTime } from '../claimed-time.ts'
import { describeProblems } from '../identifier.ts'
import { readRegistration } from '../read-registration.ts'
import type { Registration } from '../registration.ts'
import { readTraceContext } from '../trace-context.ts'
import {
  idOfRecord,
  originId,
  type SessionTerminated,
  sessionTerminatedData,
  type Trigger,
  type TriggerOrigin,
  type UserSignedOut,
  userSignedOutData,
} from '../trigger.ts'
import type { WireRecord } from '../wire-record.ts'
import { cloudEventsBinary } from './cloudevents-binary.ts'
import { cloudEventsStructured } from './cloudevents-structured.ts'
import type { Decoded, Decoder, RecordKind } from './decoder.ts'
import type { Envelope } from './envelope.ts'
import type { KnownType } from './known-types.ts'
import { plainJson } from './plain-json.ts'

export type DecodeResult =
  | { readonly kind: 'trigger'; readonly trigger: Trigger }
  | { readonly kind: 'registration'; readonly registration: Registration; readonly origin: TriggerOrigin }
  | { readonly kind: 'skipped'; readonly reason: 'empty' | 'outcome' | 'unknown-type' }
  | { readonly kind: 'poison'; readonly reason: string; readonly type: KnownType | 'unknown' }

/**
 * The `iss` of what a record calls its issuer, which may be an alias; of a record that names none, the only one there is,
 * and `undefined` where there are several.
 */
export type ResolveIssuer = (name: string | undefined) => string | undefined

/** The formats that the relay reads, in the order in which they are asked. */
export const registeredDecoders: readonly Decoder[] = [cloudEventsBinary, cloudEventsStructured, plainJson]

const NO_ISSUER = 'data.issuer: is required, because this relay serves several issuers'
const EMPTY: DecodeResult = { kind: 'skipped', reason: 'empty' }
const UNKNOWN: DecodeResult = { kind: 'skipped', reason: 'unknown-type' }

/** What records say, whatever their format. */
export class Decoders {
  readonly #decoders: readonly Decoder[]
  readonly #resolveIssuer: ResolveIssuer

  constructor(resolveIssuer: ResolveIssuer, decoders: readonly Decoder[] = registeredDecoders) {
    this.#resolveIssuer = resolveIssuer
    this.#decoders = decoders
  }

  /**
   * Never throws: whatever stands in the log ends as one of the four results, or as a list of them where one record says
   * several things. `nowMs` is the moment of reading: a time that a record states is believed no further than that.
   */
  decode(record: WireRecord, nowMs: number): DecodeResult | readonly DecodeResult[] {
    const { unreadable, value } = record
    if (unreadable !== undefined) return { kind: 'poison', reason: unreadable, type: 'unknown' }
    if (value === null || value.length === 0) return EMPTY
    try {
      const said = this.#ask(record)
      if (said === undefined) return UNKNOWN
      if ('kind' in said) return this.#resultOf(said, 0, record, nowMs)
      return said.length === 0 ? UNKNOWN : this.#resultsOf(said, record, nowMs)
    } catch {
      // A gap in the checks of a format. The partition must go on, and the record must not be lost.
      return { kind: 'poison', reason: 'record: cannot be decoded', type: 'unknown' }
    }
  }

  /** By type and headers alone; false only for a record that surely says nothing of that kind, or of any. */
  mayConcern(record: WireRecord, what?: RecordKind): boolean {
    for (const decoder of this.#decoders) {
      const answer = decoder.mayConcern(record, what)
      if (answer !== undefined) return answer
    }
    return false
  }

  #ask(record: WireRecord): Decoded | readonly Decoded[] | undefined {
    const { headers } = record
    for (const decoder of this.#decoders) {
      const said = decoder.decode(record, headers)
      if (said !== undefined) return said
    }
    return undefined
  }

  #resultsOf(said: readonly Decoded[], record: WireRecord, nowMs: number): readonly DecodeResult[] {
    const ids = new Set<string>()
    return said.map((it, index) => {
      const id = it.kind === 'envelope' ? it.id : undefined
      // Two of one record that are called the same would be taken for one that came again.
      const own = id !== undefined && ids.has(id) ? { ...it, id: undefined } : it
      if (id !== undefined) ids.add(id)
      const result = this.#resultOf(own, index, record, nowMs)
      if (result.kind !== 'poison') return result
      return { ...result, reason: `${index + 1} of ${said.length}: ${result.reason}` }
    })
  }

  #resultOf(said: Decoded, index: number, record: WireRecord, nowMs: number): DecodeResult {
    if (said.kind === 'envelope') return interpret(said, index, record, this.#resolveIssuer, nowMs)
    return said.kind === 'poison' ? { ...said, type: 'unknown' } : said
  }
}

function interpret(
  envelope: Envelope,
  index: number,
  record: WireRecord,
  resolveIssuer: ResolveIssuer,
  nowMs: number,
): DecodeResult {
  const { topic, partition, offset } = record
  const origin: TriggerOrigin = {
    id: originId(envelope.id) ?? `${idOfRecord(record, record.timestampMs)}${index === 0 ? '' : `#${index}`}`,
    topic,
    partition,
    offset,
  }
  const recordedAtMs = claimedTime(record.timestampMs, nowMs, nowMs)
  // Nothing happened after its record was written; bounded by the moment of reading it would mean more when it is read later.
  const writtenAtMs = Math.min(recordedAtMs, nowMs)
  // Nor are clocks given what they lie apart: the cut-off that is made of it, here or from an outcome, gives them that.
  const occurredAtMs = Math.min(claimedTime(envelope.timeMs, recordedAtMs, writtenAtMs), writtenAtMs)
  const common = {
    origin,
    occurredAtMs,
    ...readTraceContext(envelope.traceparent, envelope.tracestate),
  }
  switch (envelope.type) {
    case 'session-terminated': {
      const parsed = sessionTerminatedData.safeParse(envelope.data)
      if (!parsed.success) return poison(envelope.type, describeProblems(parsed.error))
      const { sessionId, userId, reason } = parsed.data
      const issuer = resolveIssuer(parsed.data.issuer)
      if (issuer === undefined) return poison(envelope.type, NO_ISSUER)
      const trigger: SessionTerminated = {
        type: envelope.type,
        issuer,
        sessionId,
        // It means the session as it stood when the record was written: a stale time does not save it.
        untilMs: writtenAtMs + CLOCK_TOLERANCE_MS,
        ...(userId !== undefined && { userId }),
        ...(reason !== undefined && { reason }),
        ...common,
      }
      return { kind: 'trigger', trigger }
    }
    case 'user-signed-out': {
      const parsed = userSignedOutData.safeParse(envelope.data)
      if (!parsed.success) return poison(envelope.type, describeProblems(parsed.error))
      const { sessionId, userId, reason } = parsed.data
      const issuer = resolveIssuer(parsed.data.issuer)
      if (issuer === undefined) return poison(envelope.type, NO_ISSUER)
      const trigger: UserSignedOut = {
        type: envelope.type,
        issuer,
        userId,
        untilMs: (sessionId === undefined ? occurredAtMs : writtenAtMs) + CLOCK_TOLERANCE_MS,
        ...(sessionId !== undefined && { sessionId }),
        ...(reason !== undefined && { reason }),
        ...common,
      }
      return { kind: 'trigger', trigger }
    }
    case 'backchannel-logout-registered': {
      const result = readRegistration(envelope.data, resolveIssuer(undefined) ?? '')
      if (result.kind === 'invalid') return poison(envelope.type, result.reason)
      // A registration without a time of its own was made when its record was written, and none was made after that: read
      // again later, it must not be dated after its own outcome.
      const { registration } = result
      const issuer = registration.issuer === '' ? undefined : resolveIssuer(registration.issuer)
      if (issuer === undefined) return poison(envelope.type, NO_ISSUER)
      const saidMs = registration.registeredAtMs ?? envelope.timeMs
      return {
        kind: 'registration',
        registration: {
          ...registration,
          issuer,
          registeredAtMs: claimedTime(saidMs, recordedAtMs, writtenAtMs),
        },
        origin,
      }
    }
    default:
      return envelope.type satisfies never
  }
}

function poison(type: KnownType, reason: string): DecodeResult {
  return { kind: 'poison', reason, type }
}
