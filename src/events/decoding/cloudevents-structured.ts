import { cloudEventType, type WireHeaders, type WireRecord } from '../wire-record.ts'
import type { Decoded, Decoder } from './decoder.ts'
import { isObject, parseJson, textOf, timeOf } from './envelope.ts'
import { isKnownType, OLD_NEWS, unread } from './known-types.ts'
import { type Content, isNews, peel, peelEvent, peelOwn, plainHeader, plainHeaderOf } from './peel.ts'

const BATCH = 'application/cloudevents-batch+json'
/** As many as a value may hold of the smallest. */
const BATCH_EVENTS_MAX = 2_000

/**
 * CloudEvents Kafka binding, structured content mode: the whole event as one JSON object, or a batch of them as a list. The comparison of the content type
 * ignores case and parameters, as the binding demands.
 */
export const cloudEventsStructured: Decoder = {
  name: 'cloudevents-structured',

  decode(_record, headers, content) {
    const mediaType = structuredType(headers)
    if (mediaType === undefined || plainHeader(headers, 'ce_type') !== undefined) return undefined
    if (mediaType === BATCH) {
      const parsed = content()
      if (parsed.kind === 'poison') return parsed
      const events = peelEvent(parsed.json)
      if (!Array.isArray(events)) return { kind: 'poison', reason: 'value: must be a list of CloudEvents' }
      if (events.length > BATCH_EVENTS_MAX)
        return { kind: 'poison', reason: `value: has more than ${BATCH_EVENTS_MAX} CloudEvents` }
      return events.map((event) => decodeEvent(event, headers))
    }
    if (mediaType !== 'application/cloudevents' && mediaType !== 'application/cloudevents+json') {
      return {
        kind: 'poison',
        reason: 'content-type: only application/cloudevents+json is supported, as one event or as a batch',
      }
    }
    const parsed = content()
    return parsed.kind === 'poison' ? parsed : decodeEvent(parsed.json, headers)
  },

  mayConcern(record) {
    if (cloudEventType(record) !== undefined) return undefined
    return isStructured(record) ? true : undefined
  },
}

/** One event in structured mode. */
export function decodeEvent(json: unknown, headers: WireHeaders): Decoded {
  const event = peelEvent(json)
  if (!isObject(event)) return { kind: 'poison', reason: 'value: must be a CloudEvent as a JSON object' }
  const type = textOf(event.type)
  if (type === undefined) return { kind: 'poison', reason: 'type: must be a non-empty string' }
  if (!isKnownType(type)) return unread(type)
  const data = dataOf(event)
  if (data === undefined) return { kind: 'poison', reason: 'data: is missing or not JSON' }
  if (!isNews(data)) return OLD_NEWS
  return {
    kind: 'envelope',
    type,
    data: data.value,
    id: textOf(event.id),
    timeMs: timeOf(event.time),
    traceparent: textOf(event.traceparent) ?? plainHeader(headers, 'traceparent'),
    tracestate: textOf(event.tracestate) ?? plainHeader(headers, 'tracestate'),
  }
}

/** The media type of a CloudEvent or a batch of them; `undefined` for any other content. */
export function structuredType(headers: WireHeaders): string | undefined {
  return mediaTypeIn(plainHeader(headers, 'content-type'))
}

/** As `structuredType`, by one header of a record. */
export function isStructured(record: WireRecord): boolean {
  return mediaTypeIn(plainHeaderOf(record, 'content-type')) !== undefined
}

function mediaTypeIn(contentType: string | undefined): string | undefined {
  const type = contentType?.trim().toLowerCase()
  return type?.startsWith('application/cloudevents') ? type.split(';', 1)[0]?.trim() : undefined
}

/** The data of an event of the relay's own, as JSON, as text or bytes with JSON in them, or in an envelope; `undefined` where there are none. */
export function dataOf(event: Readonly<Record<string, unknown>>): Content | undefined {
  const { data, data_base64: encoded, iodebeziumop } = event
  const op = textOf(iodebeziumop)
  const found = op === undefined ? peelOwn : (json: unknown) => peel(json, { op })
  if (data !== undefined && data !== null) return found(data)
  if (typeof encoded !== 'string') return undefined
  const parsed = parseJson(Buffer.from(encoded, 'base64'))
  return parsed.kind === 'json' ? found(parsed.json) : undefined
}
