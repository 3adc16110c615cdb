import { CLOCK_TOLERANCE_MS, claimedTime } from '../claimed-time.ts'
import { describeProblems } from '../identifier.ts'
import { isOutcomeType } from '../outcome.ts'
import { readRegistration } from '../read-registration.ts'
import type { Registration } from '../registration.ts'
import { readTraceContext } from '../trace-context.ts'
import {
  idOfRecord,
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
import type { Envelope, EnvelopeResult, RecordFormat } from './envelope.ts'
import { isKnownType, type KnownType } from './known-types.ts'
import { plainJson } from './plain-json.ts'

export type DecodeResult =
  | { readonly kind: 'trigger'; readonly trigger: Trigger }
  | { readonly kind: 'registration'; readonly registration: Registration; readonly origin: TriggerOrigin }
  | { readonly kind: 'skipped'; readonly reason: 'empty' | 'outcome' | 'unknown-type' }
  | { readonly kind: 'poison'; readonly reason: string; readonly type: KnownType | 'unknown' }

const formats: readonly RecordFormat[] = [cloudEventsBinary, cloudEventsStructured]

/**
 * Never throws: whatever stands in the log ends as one of the four results. `nowMs` is the moment of reading: a time
 * that a record states is believed no further than that.
 */
export function decodeRecord(record: WireRecord, defaultIssuer: string, nowMs: number): DecodeResult {
  const { unreadable, value } = record
  if (unreadable !== undefined) return { kind: 'poison', reason: unreadable, type: 'unknown' }
  if (value === null || value.length === 0) return { kind: 'skipped', reason: 'empty' }
  try {
    return decode(record, defaultIssuer, nowMs)
  } catch {
    // A gap in the checks of a format. The partition must go on, and the record must not be lost.
    return { kind: 'poison', reason: 'record: cannot be decoded', type: 'unknown' }
  }
}

function decode(record: WireRecord, defaultIssuer: string, nowMs: number): DecodeResult {
  const result = open(record)
  switch (result.kind) {
    case 'poison':
      return { ...result, type: 'unknown' }
    case 'skipped':
      return skipped(result.type)
    case 'envelope':
      return interpret(result.envelope, record, defaultIssuer, nowMs)
    default:
      return result satisfies never
  }
}

function open(record: WireRecord): EnvelopeResult {
  const { headers } = record
  for (const format of formats) {
    const result = format(record, headers)
    if (result !== undefined) return result
  }
  return plainJson(record, headers)
}

function skipped(type: string): DecodeResult {
  return { kind: 'skipped', reason: isOutcomeType(type) ? 'outcome' : 'unknown-type' }
}

function interpret(
  envelope: Envelope,
  record: WireRecord,
  defaultIssuer: string,
  nowMs: number,
): DecodeResult {
  if (!isKnownType(envelope.type)) return skipped(envelope.type)
  const { topic, partition, offset } = record
  const origin: TriggerOrigin = {
    id: originId(envelope.id) ?? idOfRecord(record, record.timestampMs),
    topic,
    partition,
    offset,
  }
  const recordedAtMs = claimedTime(record.timestampMs, nowMs, nowMs)
  // Nothing happened after its record was written; bounded by the moment of reading it would mean more when it is read later.
  const writtenAtMs = Math.min(recordedAtMs, nowMs)
  const occurredAtMs = claimedTime(envelope.timeMs, recordedAtMs, writtenAtMs)
  const common = {
    origin,
    occurredAtMs,
    ...readTraceContext(envelope.traceparent, envelope.tracestate),
  }
  switch (envelope.type) {
    case 'session-terminated': {
      const parsed = sessionTerminatedData.safeParse(envelope.data)
      if (!parsed.success) return poison(envelope.type, describeProblems(parsed.error))
      const { issuer, sessionId, userId, reason } = parsed.data
      const trigger: SessionTerminated = {
        type: envelope.type,
        issuer: issuer ?? defaultIssuer,
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
      const { issuer, sessionId, userId, reason } = parsed.data
      const trigger: UserSignedOut = {
        type: envelope.type,
        issuer: issuer ?? defaultIssuer,
        userId,
        untilMs:
          (sessionId === undefined ? Math.min(occurredAtMs, writtenAtMs) : writtenAtMs) + CLOCK_TOLERANCE_MS,
        ...(sessionId !== undefined && { sessionId }),
        ...(reason !== undefined && { reason }),
        ...common,
      }
      return { kind: 'trigger', trigger }
    }
    case 'backchannel-logout-registered': {
      const result = readRegistration(envelope.data, defaultIssuer)
      if (result.kind === 'invalid') return poison(envelope.type, result.reason)
      // A registration without a time of its own was made when its record was written, and none was made after that: read
      // again later, it must not be dated after its own outcome.
      const { registration } = result
      const saidMs = registration.registeredAtMs ?? envelope.timeMs
      return {
        kind: 'registration',
        registration: {
          ...registration,
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

/** An id that would forge lines or swell every key counts as none. */
function originId(id: string | undefined): string | undefined {
  return id !== undefined && id.length <= 256 && !/[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]/u.test(id) ? id : undefined
}
