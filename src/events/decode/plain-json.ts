import type { WireHeaders, WireRecord } from '../wire-record.ts'
import { headerText } from '../wire-record.ts'
import { type Envelope, type EnvelopeResult, isObject, parseJson, timeOf } from './envelope.ts'

/**
 * Plain JSON: one object with a `type` and the same fields as the CloudEvents data beside it (or under `data`),
 * and optionally `id` and `time`. The last format to be asked, so it always answers.
 */
export function plainJson(record: WireRecord, headers: WireHeaders): EnvelopeResult {
  const parsed = parseJson(record.value ?? Buffer.alloc(0))
  if (parsed.kind === 'poison') return parsed
  const json = parsed.json
  if (!isObject(json)) return { kind: 'poison', reason: 'value: must be a JSON object' }
  if (typeof json.type !== 'string' || json.type === '') {
    return { kind: 'poison', reason: 'type: must be a string that is not empty' }
  }
  const timeMs = timeOf(json.time)
  const traceparent = headerText(headers, 'traceparent')
  const tracestate = headerText(headers, 'tracestate')
  const envelope: Envelope = {
    type: json.type,
    data: isObject(json.data) ? json.data : json,
    ...(typeof json.id === 'string' && json.id !== '' && { id: json.id }),
    ...(timeMs !== undefined && { timeMs }),
    ...(traceparent !== undefined && { traceparent }),
    ...(tracestate !== undefined && { tracestate }),
  }
  return { kind: 'envelope', envelope }
}
