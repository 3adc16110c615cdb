import { cloudEventType, headerText } from '../wire-record.ts'
import { structuredType } from './cloudevents-structured.ts'
import type { Decoder } from './decoder.ts'
import { isObject, parseJson, textOf, timeOf } from './envelope.ts'
import { isKnownType, unread } from './known-types.ts'

/**
 * Plain JSON: one object with a `type`, the fields of the CloudEvents data beside it (or under `data`), and optionally `id`
 * and `time`. It accepts whatever is no CloudEvent, so it comes last.
 */
export const plainJson: Decoder = {
  name: 'plain-json',

  decode(record, headers) {
    if (headerText(headers, 'ce_type') !== undefined) return undefined
    if (structuredType(headerText(headers, 'content-type')) !== undefined) return undefined
    const parsed = parseJson(record.value)
    if (parsed.kind === 'poison') return parsed
    const json = parsed.json
    if (!isObject(json)) return { kind: 'poison', reason: 'value: must be a JSON object' }
    const type = textOf(json.type)
    if (type === undefined) return { kind: 'poison', reason: 'type: must be a non-empty string' }
    if (!isKnownType(type)) return unread(type)
    return {
      kind: 'envelope',
      type,
      data: isObject(json.data) ? json.data : json,
      id: textOf(json.id),
      timeMs: timeOf(json.time),
      traceparent: headerText(headers, 'traceparent'),
      tracestate: headerText(headers, 'tracestate'),
    }
  },

  mayConcern(record) {
    return cloudEventType(record) === undefined ? true : undefined
  },
}
