import { isOutcomeType } from '../outcome.ts'
import { cloudEventType, headerText, type WireHeaders, type WireRecord } from '../wire-record.ts'
import { structuredType } from './cloudevents-structured.ts'
import type { Decoded, Decoder } from './decoder.ts'
import { isObject, parseJson, textOf, timeOf } from './envelope.ts'
import { isKnownType, type KnownType, unread } from './known-types.ts'
import { type Content, peel, plainText } from './peel.ts'

const NO_NEWS: Decoded = { kind: 'skipped', reason: 'snapshot' }
/** What the alias of a column or a header with the type is called, with a dash or underscore in it or without. */
const TYPE_NAMES = ['type', 'eventType', 'event_type', 'event-type', 'eventtype']

/**
 * Plain JSON: one object with a `type`, the fields of the CloudEvents data beside it (or under `data`), and optionally `id`
 * and `time`; also within the envelopes of connectors, whose type may stand beside it, in a header or in the name of the topic. It accepts whatever
 * is no CloudEvent, so it comes last.
 */
export const plainJson: Decoder = {
  name: 'plain-json',

  decode(record, headers) {
    if (headerText(headers, 'ce_type') !== undefined) return undefined
    if (structuredType(headerText(headers, 'content-type')) !== undefined) return undefined
    const parsed = parseJson(record.value)
    if (parsed.kind === 'poison') return parsed
    let json = parsed.json
    let type = isObject(json) ? textOf(json.type) : undefined
    if (type === undefined || !isKnownType(type)) {
      if (type !== undefined && isOutcomeType(type)) return unread(type)
      const content = peel(json)
      // A row that is deleted or changed later says nothing new, and one of a snapshot may be of long ago.
      if (content.op !== undefined && content.op !== 'c') return NO_NEWS
      json = content.value
      if (!isObject(json)) {
        return { kind: 'poison', reason: 'value: must be a JSON object' }
      }
      const found = typeIn(content, json, record, headers)
      type ??= textOf(json.type)
      if (found === undefined) {
        if (type !== undefined) return unread(type)
        if (content.op !== undefined) return undefined
        return { kind: 'poison', reason: 'type: must be a non-empty string' }
      }
      type = found
    }
    if (!isObject(json) || !isKnownType(type)) return undefined
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

/** The first of these that is a type of ours: in the payload, beside it, in a header, at the end of the topic's name. */
function typeIn(
  { envelope }: Content,
  json: Record<string, unknown>,
  { topic }: WireRecord,
  headers: WireHeaders,
): KnownType | undefined {
  for (const where of [json, envelope ?? {}])
    for (const name of TYPE_NAMES) {
      const type = textOf(where[name])
      if (type !== undefined && isKnownType(type)) return type
    }
  for (const name of TYPE_NAMES) {
    const type = plainText(headerText(headers, name))
    if (type !== undefined && isKnownType(type)) return type
  }
  const last = topic.slice(topic.lastIndexOf('.') + 1)
  return isKnownType(last) ? last : undefined
}
