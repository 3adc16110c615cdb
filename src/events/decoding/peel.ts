import { parseExactJson } from '../../lib/exact-json.ts'
import { headerOf, headerText, type WireHeaders, type WireRecord } from '../wire-record.ts'
import { isObject, textOf } from './envelope.ts'

/** What stands inside of the envelopes that connectors and serializers put around a record's value. */
export interface Content {
  readonly value: unknown
  /** The outermost envelope that said more than its payload, such as a type beside it; else `undefined`. */
  readonly envelope: Readonly<Record<string, unknown>> | undefined
  /** Of a change record: `c`reate, `u`pdate, `d`elete, `r`ead of a snapshot, `t`runcate or `m`essage. */
  readonly op: string | undefined
  /** The row of a change record before the change. */
  readonly before: unknown
}

export interface PeelOptions {
  /** Whether a payload with columns beside it is opened. Rules read such a row themselves. Default: true. */
  readonly opensRows?: boolean
  /** What an envelope that was taken off before has said of the change. */
  readonly op?: string | undefined
}

/** Deeper than any platform nests them; what is deeper still is read as it stands. */
const DEPTH_MAX = 8
const MEMBERS_BESIDE_PAYLOAD_MAX = 8
const CHANGES = new Set<unknown>(['c', 'u', 'd', 'r', 't', 'm'])
/** An object in JSON, in base64: its first bits are those of a brace. */
const OBJECT_IN_BASE64 = /^e[w-z0-9+/][A-Za-z0-9+/]+={0,2}$/
/** One of them is in each record of the relay's own, and in no envelope. */
const OWN_FIELDS = ['sessionId', 'userId', 'clientId']

/**
 * Takes the envelopes off, in whatever order they are nested: `{schema, payload}` of Kafka Connect's JSON converter, Debezium's
 * change record (its row after the change, or before a deletion), also as a CloudEvent, a payload with further columns beside it,
 * a lone body or numbered log entry, JSON inside a string, and bytes in base64 that are JSON.
 */
export function peel(json: unknown, { opensRows = true, op: said }: PeelOptions = {}): Content {
  let value = json
  let envelope: Content['envelope']
  let op: string | undefined
  let before: unknown
  // Told outside of the change record that it belongs to.
  let opOutside = said
  for (let depth = 0; depth < DEPTH_MAX; depth++) {
    if (typeof value === 'string') {
      const inner = jsonIn(value)
      if (inner === undefined) break
      value = inner
      continue
    }
    if (!isObject(value)) break
    const change = changeOf(value, opOutside)
    if (change !== undefined) {
      op = change
      opOutside = undefined
      before = value.before
      value = op === 'd' ? value.before : value.after
      continue
    }
    if (isChangeEvent(value)) {
      opOutside = textOf(value.iodebeziumop)
      envelope ??= value
      value = value.data
      continue
    }
    const inner = payloadOf(value, opensRows)
    if (inner === undefined) break
    if (inner.saysMore) envelope ??= value
    value = inner.payload
  }
  return { value, envelope, op: op ?? opOutside ?? flatOp(value), before }
}

/** As `peel`, for data whose type is known to be one of the relay's own: data without an envelope stay as they are, with any members. */
export function peelOwn(json: unknown, op?: string): Content {
  return hasOwnFields(json) ? asItStands(json, op) : peel(json, { op })
}

/** Nothing is taken off; what a flattened change record says of itself counts, or what is said beside it. */
export function asItStands(value: unknown, op?: string): Content {
  return { value, envelope: undefined, op: op ?? flatOp(value), before: undefined }
}

export function hasOwnFields(json: unknown): boolean {
  return isObject(json) && OWN_FIELDS.some((name) => name in json)
}

/** A CloudEvent in structured mode, or a list of them, without what a connector has put around it. Its own data stay as they are. */
export function peelEvent(json: unknown): unknown {
  let value = json
  for (let depth = 0; depth < DEPTH_MAX; depth++) {
    if (isObject(value) && 'specversion' in value) return value
    const inner =
      typeof value === 'string'
        ? jsonIn(value)
        : isObject(value)
          ? payloadOf(value, false)?.payload
          : undefined
    if (inner === undefined) return value
    value = inner
  }
  return value
}

/** A CloudEvent in structured mode, other than a change record. */
export function isEvent(json: unknown): boolean {
  const event = peelEvent(json)
  return isObject(event) && 'specversion' in event && 'type' in event && !isChangeEvent(event)
}

/** What Debezium has written of the change into a header, when it flattened the record or made a CloudEvent of it. */
export function opBeside(headers: WireHeaders): string | undefined {
  return plainHeader(headers, '__op') ?? plainHeader(headers, 'ce_iodebeziumop')
}

/** A row that is changed or deleted later says nothing new, and one of a snapshot may be of long ago. */
export function isNews({ op }: Pick<Content, 'op'>): boolean {
  return op === undefined || op === 'c'
}

/** What has happened to a row; `undefined` for what is no change record. */
function changeOf(value: Record<string, unknown>, opOutside: string | undefined): string | undefined {
  if (!('after' in value && ('before' in value || 'source' in value))) return undefined
  return CHANGES.has(value.op) ? String(value.op) : opOutside
}

/** Debezium's converter to CloudEvents, which says beside the data what has happened to the row. */
function isChangeEvent(value: Record<string, unknown>): boolean {
  return 'specversion' in value && CHANGES.has(value.iodebeziumop) && 'data' in value
}

/** Of a change record that was flattened (Debezium's `ExtractNewRecordState`). */
function flatOp(value: unknown): string | undefined {
  if (!isObject(value)) return undefined
  if (value.__deleted === true || value.__deleted === 'true') return 'd'
  return textOf(value.__op)
}

function payloadOf(
  value: Record<string, unknown>,
  opensRows: boolean,
): { payload: unknown; saysMore: boolean } | undefined {
  const names = Object.keys(value)
  if ('payload' in value) {
    if (names.length === 2 && 'schema' in value) return { payload: value.payload, saysMore: false }
    if (!opensRows) return undefined
    const others = names.length - 1
    const isEnvelope =
      others <= MEMBERS_BESIDE_PAYLOAD_MAX && names.every((it) => it === 'payload' || isScalar(value[it]))
    return isEnvelope && holdsObject(value.payload)
      ? { payload: value.payload, saysMore: others > 0 }
      : undefined
  }
  if (names.length === 1 && 'body' in value && holdsObject(value.body))
    return { payload: value.body, saysMore: false }
  const isLogEntry = typeof value.log_id === 'string' && isObject(value.data) && !('type' in value)
  const areScalar =
    names.length <= MEMBERS_BESIDE_PAYLOAD_MAX && names.every((it) => it === 'data' || isScalar(value[it]))
  return isLogEntry && areScalar ? { payload: value.data, saysMore: true } : undefined
}

function isScalar(value: unknown): boolean {
  return value === null || typeof value !== 'object'
}

function holdsObject(value: unknown): boolean {
  return isObject(value) || (typeof value === 'string' && jsonIn(value) !== undefined)
}

/** `undefined` for a text that is no JSON, or a scalar that has no meaning of its own as JSON. */
function jsonIn(text: string): unknown {
  // What Kafka Connect's JSON converter makes of bytes.
  const said = OBJECT_IN_BASE64.test(text) ? Buffer.from(text, 'base64').toString('utf8') : text
  if (!/^\s*["[{]/.test(said)) return undefined
  try {
    return parseExactJson(said)
  } catch {
    return undefined
  }
}

/** A text that a converter may have put in quotes or in an envelope, such as a key or a header. */
export function plainText(text: string | undefined): string | undefined {
  if (text === undefined || !/^\s*["{]/.test(text)) return text
  const inner = jsonIn(text)
  // Not by `peel`: an id may be base64 of whatever its platform keeps in it.
  const said = isObject(inner) ? payloadOf(inner, true)?.payload : inner
  return typeof said === 'string' && said !== '' ? plainText(said) : text
}

/** A header as `headerText` has it, without what a converter has put around it. */
export function plainHeader(headers: WireHeaders, name: string): string | undefined {
  return plainText(headerText(headers, name))
}

/** As `plainHeader`, for one header of a record. */
export function plainHeaderOf(record: WireRecord, name: string): string | undefined {
  return plainText(headerOf(record, name))
}
