import { isUtf8 } from 'node:buffer'
import { parseExactJson } from '../../lib/exact-json.ts'
import { describeSchema, type Frame, frameIn } from './framing.ts'
import type { KnownType } from './known-types.ts'

/** The common result of every input format: a type and its data, not validated yet. */
export interface Envelope {
  readonly kind: 'envelope'
  readonly type: KnownType
  readonly id?: string | undefined
  /** Milliseconds since the epoch, if the format has a time. */
  readonly timeMs?: number | undefined
  /** Registrations made later are not meant, if it is earlier than the record was written. Milliseconds since the epoch. */
  readonly cutOffMs?: number | undefined
  readonly traceparent?: string | undefined
  readonly tracestate?: string | undefined
  readonly data: unknown
  /** The rule of a mapping that made it, for whoever must correct it. */
  readonly rule?: string | undefined
}

/** A hundred times the size of any valid record. Parsing more would only stall the partition. */
export const VALUE_BYTES_MAX = 256 * 1_024
const NOT_JSON: JsonResult = { kind: 'poison', reason: 'value: is not JSON' }
export type JsonResult =
  | { readonly kind: 'json'; readonly json: unknown }
  | { readonly kind: 'poison'; readonly reason: string }

export function parseJson(value: Buffer | null): JsonResult {
  if (value === null) return NOT_JSON
  const problem = sizeProblem(value)
  if (problem !== undefined) return { kind: 'poison', reason: problem }
  const frame = frameIn(value)
  if (frame !== undefined) return unframed(frame)
  // Invalid bytes would silently become U+FFFD in an id, which then names another session.
  if (!isUtf8(value)) return { kind: 'poison', reason: 'value: is not UTF-8' }
  try {
    return { kind: 'json', json: parseExactJson(withoutMark(value).toString('utf8')) }
  } catch {
    // The parser's message quotes the content, which must not reach a log or a header.
    return NOT_JSON
  }
}

/** What can be read without the schema: a payload that is described by a JSON Schema is JSON by itself. */
export function unframed({ payload, schema }: Frame): JsonResult {
  return (
    jsonIn(payload) ?? {
      kind: 'poison',
      reason: `value: is framed with ${describeSchema(schema)} of a schema registry, and no JSON; set SCHEMA_REGISTRY_URL, by which Avro is read`,
    }
  )
}

/** Without the byte order mark that some platforms write before JSON (RFC 8259 §8.1 lets a reader ignore it). */
export function withoutMark(bytes: Buffer): Buffer {
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? bytes.subarray(3) : bytes
}

/** An object, a list or a text in JSON; `undefined` for other bytes. */
export function jsonIn(bytes: Buffer): JsonResult | undefined {
  if (!/^\s*["[{]/.test(withoutMark(bytes).toString('latin1', 0, 64))) return undefined
  const parsed = parseJson(bytes)
  return parsed.kind === 'json' ? parsed : undefined
}

export function sizeProblem(value: Buffer | null): string | undefined {
  if (value === null || value.length <= VALUE_BYTES_MAX) return undefined
  return `value: has ${value.length} bytes, more than the ${VALUE_BYTES_MAX} allowed`
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** `undefined` for a value that is not text, or is empty. */
export function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

/** An RFC 3339 time in milliseconds since the epoch; `undefined` if it is missing or invalid. */
export function timeOf(text: unknown): number | undefined {
  if (typeof text !== 'string') return undefined
  const ms = Date.parse(text)
  return Number.isNaN(ms) ? undefined : ms
}
