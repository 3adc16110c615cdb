import { type DecodeResult, Decoders } from '../../../src/events/decoding/decode-record.ts'
import type { WireHeaders, WireRecord } from '../../../src/events/wire-record.ts'
import { ISSUER } from '../sample-registration.ts'

export const RECORD_TIME_MS = 1_800_000_000_123

/** A record as it comes from the log; the value is JSON unless it is bytes. */
export function wireRecord(value: unknown, headers: WireHeaders = {}): WireRecord {
  return {
    topic: 'session-events',
    partition: 3,
    offset: 42,
    timestampMs: RECORD_TIME_MS,
    key: Buffer.from('key'),
    value: value === null || Buffer.isBuffer(value) ? value : Buffer.from(JSON.stringify(value)),
    headers,
  }
}

/** The result of a record that says one thing. */
export function decodeOne(record: WireRecord, nowMs: number): DecodeResult {
  const result = new Decoders((name = ISSUER) => name).decode(record, nowMs)
  if (!('kind' in result)) throw new Error('a record that says several things')
  return result
}

type Attributes = { id?: string; time?: string; traceparent?: string }
type Data = Record<string, unknown>

/** The three input formats, each with the same type, data and attributes in its own place. */
export const formats: Record<string, (type: string, data: Data, attributes?: Attributes) => WireRecord> = {
  'CloudEvents binary': (type, data, { id, time, traceparent } = {}) =>
    wireRecord(data, {
      ce_specversion: Buffer.from('1.0'),
      ce_type: Buffer.from(type),
      ce_source: Buffer.from('https://op.example'),
      ...(id !== undefined && { ce_id: Buffer.from(id) }),
      ...(time !== undefined && { ce_time: Buffer.from(time) }),
      ...(traceparent !== undefined && { traceparent: Buffer.from(traceparent) }),
      'content-type': Buffer.from('application/json'),
    }),
  'CloudEvents structured': (type, data, attributes = {}) =>
    wireRecord(
      { specversion: '1.0', source: 'https://op.example', type, ...attributes, data },
      { 'content-type': Buffer.from('application/cloudevents+json; charset=UTF-8') },
    ),
  'plain JSON': (type, data, { traceparent, ...attributes } = {}) =>
    wireRecord(
      { type, ...attributes, ...data },
      traceparent === undefined ? {} : { traceparent: Buffer.from(traceparent) },
    ),
}
