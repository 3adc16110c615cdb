import { cloudEventType, headerText, type WireHeaders, type WireRecord } from '../wire-record.ts'
import { structuredType } from './cloudevents-structured.ts'
import type { Decoded, Decoder } from './decoder.ts'
import { isObject, textOf, timeOf } from './envelope.ts'
import { isKnownType, unread } from './known-types.ts'
import { type Content, peel, plainText } from './peel.ts'

const NO_NEWS: Decoded = { kind: 'skipped', reason: 'snapshot' }
/** What the alias of a column or a header with the type is called, with a dash or underscore in it or without. */
const OWN_FIELDS = ['sessionId', 'userId', 'clientId', 'data']
const TYPE_NAMES = ['type', 'eventType', 'event_type', 'event-type', 'eventtype']

/**
 * Plain JSON: one object with a `type`, the fields of the CloudEvents data beside it (or under `data`), and optionally `id`
 * and `time`; also within the envelopes of connectors, whose type may stand beside it, in a header or in the name of the topic. It accepts whatever
 * is no CloudEvent, so it comes last.
 */
export const plainJson: Decoder = {
  name: 'plain-json',

  decode(record, headers, content) {
    if (headerText(headers, 'ce_type') !== undefined) return undefined
    if (structuredType(headerText(headers, 'content-type')) !== undefined) return undefined
    const parsed = content()
    if (parsed.kind === 'poison') return parsed
    let json = parsed.json
    let type = isObject(json) ? textOf(json.type) : undefined
    if (type === undefined || !isKnownType(type) || isEnvelope(json)) {
      const content = peel(json)
      json = content.value
      // A row that is deleted or changed later says nothing new, and one of a snapshot may be of long ago.
      if (content.op !== undefined && content.op !== 'c') return NO_NEWS
      if (!isObject(json)) return { kind: 'poison', reason: 'value: must be a JSON object' }
      type = typeIn(content, json, record, headers)
      if (type === undefined) return { kind: 'poison', reason: 'type: must be a non-empty string' }
      if (!isKnownType(type)) return unread(type)
    }
    if (!isObject(json)) return { kind: 'poison', reason: 'value: must be a JSON object' }
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

/** The type beside a payload, and no record of its own with a member of that name. */
function isEnvelope(json: unknown): boolean {
  return isObject(json) && 'payload' in json && OWN_FIELDS.every((name) => !(name in json))
}

/**
 * The type that the payload names; else the one beside it, in a header, or at the end of the topic's name if that is known. What
 * says that it is something else is that.
 */
function typeIn(
  { envelope }: Content,
  json: Record<string, unknown>,
  { topic }: WireRecord,
  headers: WireHeaders,
): string | undefined {
  const beside = envelope === undefined ? undefined : namedIn((name) => textOf(envelope[name]))
  if (beside !== undefined && !isKnownType(beside)) return beside
  const named = namedIn((name) => textOf(json[name])) ?? beside
  if (named !== undefined) return named
  const header = namedIn((name) => plainText(headerText(headers, name)))
  if (header !== undefined) return header
  const last = topic.slice(topic.lastIndexOf('.') + 1)
  return isKnownType(last) ? last : undefined
}

function namedIn(read: (name: string) => string | undefined): string | undefined {
  for (const name of TYPE_NAMES) {
    const type = read(name)
    if (type !== undefined) return type
  }
  return undefined
}
