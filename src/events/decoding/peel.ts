import { parseExactJson } from '../../lib/exact-json.ts'
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

/** Deeper than any platform nests them; what is deeper still is read as it stands. */
const DEPTH_MAX = 8
const MEMBERS_BESIDE_PAYLOAD_MAX = 8
const CHANGES = new Set<unknown>(['c', 'u', 'd', 'r', 't', 'm'])

/**
 * Takes the envelopes off, in whatever order they are nested: `{schema, payload}` of Kafka Connect's JSON converter, Debezium's
 * change record (its row after the change, or before a deletion), a payload with further columns beside it, a lone body or
 * numbered log entry, and JSON inside a string. With `opensRows` false a payload with columns beside it stays: rules read it themselves.
 */
export function peel(json: unknown, opensRows = true): Content {
  let value = json
  let envelope: Content['envelope']
  let op: string | undefined
  let before: unknown
  for (let depth = 0; depth < DEPTH_MAX; depth++) {
    if (typeof value === 'string') {
      const inner = jsonIn(value)
      if (inner === undefined) break
      value = inner
      continue
    }
    if (!isObject(value)) break
    if (isChange(value)) {
      op = String(value.op)
      before = value.before
      value = value.op === 'd' ? value.before : value.after
      continue
    }
    const inner = payloadOf(value, opensRows)
    if (inner === undefined) break
    if (inner.saysMore) envelope ??= value
    value = inner.payload
  }
  return { value, envelope, op: op ?? flatOp(value), before }
}

function isChange(value: Record<string, unknown>): boolean {
  return CHANGES.has(value.op) && 'after' in value && ('before' in value || 'source' in value)
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
  const isLogEntry = names.length === 2 && typeof value.log_id === 'string' && isObject(value.data)
  return isLogEntry ? { payload: value.data, saysMore: true } : undefined
}

function isScalar(value: unknown): boolean {
  return value === null || typeof value !== 'object'
}

function holdsObject(value: unknown): boolean {
  return isObject(value) || (typeof value === 'string' && jsonIn(value) !== undefined)
}

/** `undefined` for a text that is no JSON, or a scalar that has no meaning of its own as JSON. */
function jsonIn(text: string): unknown {
  if (!/^\s*["[{]/.test(text)) return undefined
  try {
    return parseExactJson(text)
  } catch {
    return undefined
  }
}

/** A text that a converter may have put in quotes or in an envelope, such as a key or a header. */
export function plainText(text: string | undefined): string | undefined {
  if (text === undefined || !/^\s*["{]/.test(text)) return text
  return textOf(peel(text).value) ?? text
}
