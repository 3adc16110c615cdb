import { isUtf8 } from 'node:buffer'
import type { KnownType } from './known-types.ts'

/** The common result of every input format: a type and its data, not validated yet. */
export interface Envelope {
  readonly kind: 'envelope'
  readonly type: KnownType
  readonly id?: string | undefined
  /** Milliseconds since the epoch, if the format has a time. */
  readonly timeMs?: number | undefined
  readonly traceparent?: string | undefined
  readonly tracestate?: string | undefined
  readonly data: unknown
  /** The rule of a mapping that made it, for whoever must correct it. */
  readonly rule?: string | undefined
}

/** A hundred times the size of any valid record. Parsing more would only stall the partition. */
export const VALUE_BYTES_MAX = 256 * 1_024
/** Bytes before the payload in the framing of schema registries, by the first of them: 0 and an id, 1 and a GUID. */
const FRAME_BYTES = [5, 17]

export type JsonResult =
  | { readonly kind: 'json'; readonly json: unknown }
  | { readonly kind: 'poison'; readonly reason: string }

export function parseJson(value: Buffer | null): JsonResult {
  if (value === null) return { kind: 'poison', reason: 'value: is not JSON' }
  if (value.length > VALUE_BYTES_MAX) {
    return {
      kind: 'poison',
      reason: `value: has ${value.length} bytes, more than the ${VALUE_BYTES_MAX} allowed`,
    }
  }
  const frameBytes = FRAME_BYTES[value[0] ?? Infinity]
  if (frameBytes !== undefined) {
    // A payload that is described by a JSON Schema is JSON by itself.
    const payload = value.subarray(frameBytes)
    if (/^\s*["[{]/.test(payload.toString('latin1', 0, 64))) return parseJson(payload)
    return {
      kind: 'poison',
      reason:
        'value: is framed for a schema registry and no JSON (Avro or Protobuf); write it with a JSON or JSON Schema serializer instead',
    }
  }
  // Invalid bytes would silently become U+FFFD in an id, which then names another session.
  if (!isUtf8(value)) return { kind: 'poison', reason: 'value: is not UTF-8' }
  try {
    return { kind: 'json', json: JSON.parse(value.toString('utf8')) }
  } catch {
    // The parser's message quotes the content, which must not reach a log or a header.
    return { kind: 'poison', reason: 'value: is not JSON' }
  }
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
