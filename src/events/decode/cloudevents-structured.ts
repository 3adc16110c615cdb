import { headerText } from '../wire-record.ts'
import { type Envelope, isObject, parseJson, type RecordFormat, textOf, timeOf } from './envelope.ts'
import { isKnownType } from './known-types.ts'

/**
 * CloudEvents Kafka binding, structured content mode: the whole event as one JSON object. The content type is
 * compared without case and without its parameters, as the binding demands.
 */
export const cloudEventsStructured: RecordFormat = (record, headers) => {
  const contentType = headerText(headers, 'content-type')?.trim().toLowerCase()
  if (contentType === undefined || !contentType.startsWith('application/cloudevents')) return undefined
  const mediaType = contentType.split(';', 1)[0]?.trim()
  if (mediaType !== 'application/cloudevents' && mediaType !== 'application/cloudevents+json') {
    return {
      kind: 'poison',
      reason: 'content-type: only application/cloudevents+json is supported, one event per record',
    }
  }
  const parsed = parseJson(record.value ?? Buffer.alloc(0))
  if (parsed.kind === 'poison') return parsed
  const event = parsed.json
  if (!isObject(event)) return { kind: 'poison', reason: 'value: must be a CloudEvent as a JSON object' }
  const type = textOf(event.type)
  if (type === undefined) {
    return { kind: 'poison', reason: 'type: must be a string that is not empty' }
  }
  if (!isKnownType(type)) return { kind: 'skipped', type }
  const data = dataOf(event)
  if (data === undefined) return { kind: 'poison', reason: 'data: is missing or not JSON' }
  const timeMs = timeOf(event.time)
  const traceparent = textOf(event.traceparent) ?? headerText(headers, 'traceparent')
  const tracestate = textOf(event.tracestate) ?? headerText(headers, 'tracestate')
  const id = textOf(event.id)
  const envelope: Envelope = {
    type,
    data: data.json,
    ...(id !== undefined && { id }),
    ...(timeMs !== undefined && { timeMs }),
    ...(traceparent !== undefined && { traceparent }),
    ...(tracestate !== undefined && { tracestate }),
  }
  return { kind: 'envelope', envelope }
}

function dataOf(event: Record<string, unknown>): { json: unknown } | undefined {
  if (event.data !== undefined) return { json: event.data }
  if (typeof event.data_base64 !== 'string') return undefined
  const parsed = parseJson(Buffer.from(event.data_base64, 'base64'))
  return parsed.kind === 'json' ? { json: parsed.json } : undefined
}
