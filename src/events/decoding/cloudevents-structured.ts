import { cloudEventType, headerOf, headerText, type WireHeaders } from '../wire-record.ts'
import type { Decoded, Decoder } from './decoder.ts'
import { isObject, parseJson, textOf, timeOf } from './envelope.ts'
import { isKnownType, unread } from './known-types.ts'

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
    const mediaType = structuredType(headerText(headers, 'content-type'))
    if (mediaType === undefined || headerText(headers, 'ce_type') !== undefined) return undefined
    if (mediaType === BATCH) {
      const parsed = content()
      if (parsed.kind === 'poison') return parsed
      if (!Array.isArray(parsed.json))
        return { kind: 'poison', reason: 'value: must be a list of CloudEvents' }
      if (parsed.json.length > BATCH_EVENTS_MAX)
        return { kind: 'poison', reason: `value: has more than ${BATCH_EVENTS_MAX} CloudEvents` }
      return parsed.json.map((event) => decodeEvent(event, headers))
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
    return structuredType(headerOf(record, 'content-type')) === undefined ? undefined : true
  },
}

/** One event in structured mode. */
export function decodeEvent(event: unknown, headers: WireHeaders): Decoded {
  if (!isObject(event)) return { kind: 'poison', reason: 'value: must be a CloudEvent as a JSON object' }
  const type = textOf(event.type)
  if (type === undefined) return { kind: 'poison', reason: 'type: must be a non-empty string' }
  if (!isKnownType(type)) return unread(type)
  const data = dataOf(event)
  if (data === undefined) return { kind: 'poison', reason: 'data: is missing or not JSON' }
  return {
    kind: 'envelope',
    type,
    data: data.json,
    id: textOf(event.id),
    timeMs: timeOf(event.time),
    traceparent: textOf(event.traceparent) ?? headerText(headers, 'traceparent'),
    tracestate: textOf(event.tracestate) ?? headerText(headers, 'tracestate'),
  }
}

/** The media type of a CloudEvent or a batch of them; `undefined` for any other content. */
export function structuredType(contentType: string | undefined): string | undefined {
  const type = contentType?.trim().toLowerCase()
  return type?.startsWith('application/cloudevents') ? type.split(';', 1)[0]?.trim() : undefined
}

function dataOf(event: Record<string, unknown>): { json: unknown } | undefined {
  if (event.data !== undefined) return { json: event.data }
  if (typeof event.data_base64 !== 'string') return undefined
  const parsed = parseJson(Buffer.from(event.data_base64, 'base64'))
  return parsed.kind === 'json' ? { json: parsed.json } : undefined
}
