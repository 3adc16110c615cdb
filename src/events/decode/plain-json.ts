import type { WireHeaders, WireRecord } from '../wire-record.ts'
import { headerText } from '../wire-record.ts'
import { type Envelope, type EnvelopeResult, isObject, parseJson, textOf, timeOf } from './envelope.ts'

/**
 * Plain JSON: one object with a `type` and the same fields as the CloudEvents data beside it (or under `data`),
 * and optionally `id` and `time`. The last format to be asked, so it always answers.
 */
export function plainJson(record: WireRecord, headers: WireHeaders): EnvelopeResult {
  const parsed = parseJson(record.value ?? Buffer.alloc(0))
  if (parsed.kind === 'poison') return parsed
  const json = parsed.json
  if (!isObject(json)) return { kind: 'poison', reason: 'value: must be a JSON object' }
  const type = textOf(json.type)
  if (type === undefined) {
    return { kind: 'poison', reason: 'type: must be a string that is not empty' }
  }
  const id = textOf(json.id)
  const timeMs = timeOf(json.time)
  const traceparent = headerText(headers, 'traceparent')
  const tracestate = headerText(headers, 'tracestate')
  const envelope: Envelope = {
    type,
    data: isObject(json.data) ? json.data : json,
    ...(id !== undefined && { id }),
    ...(timeMs !== undefined && { timeMs }),
    ...(traceparent !== undefined && { traceparent }),
    ...(tracestate !== undefined && { tracestate }),
  }
  return { kind: 'envelope', envelope }
}
