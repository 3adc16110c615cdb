import { codeOf } from '../../lib/errors.ts'
import { CLOCK_TOLERANCE_MS, claimedTime } from '../claimed-time.ts'
import { type ClientChange, clientConfiguredData, clientRemovedData } from '../client.ts'
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
import type { Decoded, Decoder, FormatSkip, RecordKind } from './decoder.ts'
import type { Envelope, JsonResult } from './envelope.ts'
import type { KnownType } from './known-types.ts'
import { plainJson } from './plain-json.ts'
import { RecordValues, type Schemas } from './record-values.ts'

/** `rule`: the one of a mapping that took the record, for people. */
export type DecodeResult = { readonly rule?: string | undefined } & (
  | { readonly kind: 'trigger'; readonly trigger: Trigger }
  | { readonly kind: 'registration'; readonly registration: Registration; readonly origin: TriggerOrigin }
  | { readonly kind: 'client'; readonly change: ClientChange; readonly origin: TriggerOrigin }
  | { readonly kind: 'skipped'; readonly reason: 'empty' | Exclude<FormatSkip, 'unknown-type'> }
  /** `type`: cut, and printable; missing where the record names none. */
  | { readonly kind: 'skipped'; readonly reason: 'unknown-type'; readonly type?: string }
  | { readonly kind: 'poison'; readonly reason: string; readonly type: KnownType | 'unknown' }
)

/**
 * The `iss` of what a record calls its issuer, which may be an alias; of a record that names none, the only one there is,
 * and `undefined` where there are several.
 */
export type ResolveIssuer = (name: string | undefined) => string | undefined

/** The supported formats, in the order in which they are tried. */
export const registeredDecoders: readonly Decoder[] = [cloudEventsBinary, cloudEventsStructured, plainJson]

const NO_ISSUER = 'data.issuer: is required, because this relay serves several issuers'
const EMPTY: DecodeResult = { kind: 'skipped', reason: 'empty' }
const DEAD_LETTER: Decoded = { kind: 'skipped', reason: 'dead-letter' }
const UNKNOWN: DecodeResult = { kind: 'skipped', reason: 'unknown-type' }

/** Decodes records of every format. */
export class Decoders {
  readonly #decoders: readonly Decoder[]
  readonly #resolveIssuer: ResolveIssuer
  readonly #values: RecordValues

  /** Without `schemas` Avro is poison. */
  constructor(
    resolveIssuer: ResolveIssuer,
    decoders: readonly Decoder[] = registeredDecoders,
    schemas?: Schemas,
  ) {
    this.#resolveIssuer = resolveIssuer
    this.#decoders = decoders
    this.#values = new RecordValues(schemas)
  }

  /**
   * Every reader of the log calls it before `decode`. `undefined` when there is nothing to wait for, as almost always; a promise
   * while a schema is looked up, which rejects while the schema registry cannot be asked.
   */
  readonly prepare = (record: WireRecord): Promise<void> | undefined => this.#values.prepare(record)

  /** The value as JSON, whatever it was serialized with. */
  contentOf(record: WireRecord): JsonResult {
    return this.#values.read(record)
  }

  /**
   * Never throws for a record that is prepared: every record yields one of the four results, or a list of them if it says several things. `nowMs`: the time
   * of reading, which bounds the times that a record claims.
   */
  decode(record: WireRecord, nowMs: number): DecodeResult | readonly DecodeResult[] {
    const { unreadable, value } = record
    if (unreadable !== undefined) return { kind: 'poison', reason: unreadable, type: 'unknown' }
    if (value === null || value.length === 0) return EMPTY
    try {
      const found = this.#ask(record)
      if (found === undefined) return UNKNOWN
      if ('kind' in found) return this.#resultOf(found, 0, record, nowMs)
      return found.length === 0 ? UNKNOWN : this.#resultsOf(found, record, nowMs)
    } catch (error) {
      if (codeOf(error) === 'LR_NOT_PREPARED') throw error
      // The format's checks have a gap. The partition must go on, and the record must not be lost.
      return { kind: 'poison', reason: 'record: cannot be decoded', type: 'unknown' }
    }
  }

  /** Judged by type and headers alone. False only if the record certainly says nothing of that kind (or of any kind). */
  mayConcern(record: WireRecord, what?: RecordKind): boolean {
    for (const decoder of this.#decoders) {
      const answer = decoder.mayConcern(record, what)
      if (answer !== undefined) return answer
    }
    return false
  }

  #ask(record: WireRecord): Decoded | readonly Decoded[] | undefined {
    const { headers } = record
    // Another relay's, on a topic that a pattern of this one matches: each would make dead letters of the other's for ever.
    if (headers['dead-letter-reason'] !== undefined) return DEAD_LETTER
    let parsed: JsonResult | undefined
    const content = (): JsonResult => {
      parsed ??= this.#values.read(record)
      return parsed
    }
    let unknown: Decoded | undefined
    for (const decoder of this.#decoders) {
      const found = decoder.decode(record, headers, content)
      if (found === undefined) continue
      if ('kind' in found && found.kind === 'skipped' && found.reason === 'unknown-type') unknown ??= found
      else return found
    }
    return unknown
  }

  #resultsOf(found: readonly Decoded[], record: WireRecord, nowMs: number): readonly DecodeResult[] {
    const ids = new Set<string>()
    return found.map((it, index) => {
      const id = it.kind === 'envelope' ? it.id : undefined
      // A repeated id within one record would look like a repetition of the first.
      const own = id !== undefined && ids.has(id) ? { ...it, id: undefined } : it
      if (id !== undefined) ids.add(id)
      const result = this.#resultOf(own, index, record, nowMs)
      if (result.kind !== 'poison') return result
      return { ...result, reason: `${index + 1} of ${found.length}: ${result.reason}` }
    })
  }

  #resultOf(said: Decoded, index: number, record: WireRecord, nowMs: number): DecodeResult {
    if (said.kind === 'envelope') {
      const result = interpret(said, index, record, this.#resolveIssuer, nowMs)
      const { rule } = said
      if (rule === undefined) return result
      return result.kind === 'poison'
        ? { ...result, rule, reason: `rule ${rule}: ${result.reason}` }
        : { ...result, rule }
    }
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
  // Nothing happened after its record was written. The time of reading is no bound: a later reading would cover more.
  const writtenAtMs = Math.min(recordedAtMs, nowMs)
  // What is configured later than its record was written would win over what was configured since.
  const configuredAtMs = claimedTime(envelope.timeMs, recordedAtMs, writtenAtMs)
  // Without the clock tolerance, which the cut-off adds, here or from an outcome.
  const occurredAtMs = Math.min(claimedTime(envelope.timeMs, recordedAtMs, writtenAtMs), writtenAtMs)
  // The session as it was when the record was written, even with a stale time, unless its id is used again and again.
  const cutOffMs = Math.min(claimedTime(envelope.cutOffMs, writtenAtMs, writtenAtMs), writtenAtMs)
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
        untilMs: cutOffMs + CLOCK_TOLERANCE_MS,
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
        untilMs: (sessionId === undefined ? occurredAtMs : cutOffMs) + CLOCK_TOLERANCE_MS,
        ...(sessionId !== undefined && { sessionId }),
        ...(reason !== undefined && { reason }),
        ...common,
      }
      return { kind: 'trigger', trigger }
    }
    case 'backchannel-logout-registered': {
      const result = readRegistration(envelope.data, resolveIssuer(undefined) ?? '')
      if (result.kind === 'invalid') return poison(envelope.type, result.reason)
      // A registration without a time was made when its record was written, and none was made later. Otherwise a later
      // reading would date it after its own outcome.
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
    case 'client-configured': {
      const parsed = clientConfiguredData.safeParse(envelope.data)
      if (!parsed.success) return poison(envelope.type, describeProblems(parsed.error))
      const { issuer: named, clientId, state, ...settings } = parsed.data
      const issuer = resolveIssuer(named)
      if (issuer === undefined) return poison(envelope.type, NO_ISSUER)
      const of = { type: envelope.type, issuer, clientId, atMs: configuredAtMs }
      return { kind: 'client', change: { ...of, settings, ...(state !== undefined && { state }) }, origin }
    }
    case 'client-removed': {
      const parsed = clientRemovedData.safeParse(envelope.data)
      if (!parsed.success) return poison(envelope.type, describeProblems(parsed.error))
      const issuer = resolveIssuer(parsed.data.issuer)
      if (issuer === undefined) return poison(envelope.type, NO_ISSUER)
      const { clientId } = parsed.data
      return {
        kind: 'client',
        change: { type: envelope.type, issuer, clientId, atMs: configuredAtMs },
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
