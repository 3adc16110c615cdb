import { cloudEventType, type WireHeaders, type WireRecord } from '../wire-record.ts'
import { dataOf, structuredType } from './cloudevents-structured.ts'
import type { Decoder } from './decoder.ts'
import { isObject, textOf, timeOf } from './envelope.ts'
import { isKnownType, OLD_NEWS, unread } from './known-types.ts'
import { asItStands, type Content, hasOwnFields, isNews, opBeside, peel, plainHeader } from './peel.ts'

/** What the alias of a column or a header with the type is called, with a dash or underscore in it or without. */
const TYPE_NAMES = ['type', 'eventType', 'event_type', 'event-type', 'eventtype']
/** Of Debezium's change records as CloudEvents: what has happened is told by the row. */
const CHANGE_EVENTS = 'io.debezium.'

/**
 * Plain JSON: one object with a `type`, the fields of the CloudEvents data beside it (or under `data`), and optionally `id`
 * and `time`; also within the envelopes of connectors, whose type may stand beside it, in a header or in the name of the topic. It accepts whatever
 * is no CloudEvent, so it comes last.
 */
export const plainJson: Decoder = {
  name: 'plain-json',

  decode(record, headers, content) {
    if (plainHeader(headers, 'ce_type') !== undefined) return undefined
    if (structuredType(headers) !== undefined) return undefined
    const parsed = content()
    if (parsed.kind === 'poison') return parsed
    const op = opBeside(headers)
    const found = isOwn(parsed.json) ? asItStands(parsed.json, op) : peel(parsed.json, { op })
    if (!isNews(found)) return OLD_NEWS
    const { value } = found
    if (!isObject(value)) return { kind: 'poison', reason: 'value: must be a JSON object' }
    const type = typeIn(found, value, record, headers)
    if (type === undefined) return { kind: 'poison', reason: 'type: must be a non-empty string' }
    if (!isKnownType(type)) return unread(type)
    const data = dataIn(value)
    if (!isNews(data)) return OLD_NEWS
    return {
      kind: 'envelope',
      type,
      data: data.value,
      id: textOf(value.id),
      timeMs: timeOf(value.time),
      traceparent: plainHeader(headers, 'traceparent'),
      tracestate: plainHeader(headers, 'tracestate'),
    }
  },

  mayConcern(record) {
    return cloudEventType(record) === undefined ? true : undefined
  },
}

/** A record with a type of the relay's own, and not a payload with its type beside it. */
function isOwn(json: unknown): boolean {
  if (!isObject(json) || !isKnownType(textOf(json.type) ?? '')) return false
  return !('payload' in json) || 'data' in json || hasOwnFields(json)
}

/** The fields beside the type, or those under `data`, which may have envelopes of its own. */
function dataIn(value: Record<string, unknown>): Content {
  const isBelow = isObject(value.data) || !hasOwnFields(value)
  return (isBelow ? dataOf(value) : undefined) ?? asItStands(value)
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
  const said = envelope === undefined ? undefined : namedIn((name) => textOf(envelope[name]))
  const beside = said?.startsWith(CHANGE_EVENTS) === true ? undefined : said
  if (beside !== undefined && !isKnownType(beside)) return beside
  const named = namedIn((name) => textOf(json[name])) ?? beside
  if (named !== undefined) return named
  const header = namedIn((name) => plainHeader(headers, name))
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
