import { parseExactJson } from '../../../lib/exact-json.ts'
import { spend } from './budget.ts'
import { memberOf, readable } from './readable.ts'

/** What it takes to call a function of which only the record decides which one is meant. */
const UNITS_PER_CALL = 100
/** What it takes to throw, in place of a result. */
const UNITS_PER_PARSE = 300

/** What a text of JSON says; `null` for what is no text or no JSON. What is JSON already stays. */
export function json(value: unknown): unknown {
  if (typeof value !== 'string') return value ?? null
  spend(UNITS_PER_PARSE + value.length)
  let found: unknown
  try {
    found = parseExactJson(value)
  } catch {
    return null
  }
  const inside = readable(found)
  // The record becomes a dead letter: what is nested too deeply to be read may be what makes it a logout.
  if (inside === undefined) spend(Number.POSITIVE_INFINITY)
  return inside
}

/** The text in a base64 (or base64url) text; `null` for what is none. */
export function base64(value: unknown): string | null {
  if (typeof value !== 'string') return null
  spend(value.length)
  if (!/^[\w+/=-]*$/.test(value)) return null
  return Buffer.from(value, 'base64').toString('utf8')
}

/** Of a time that somebody may have meant. */
const TIME_CHARACTERS_MAX = 64
/** Before 2001 in milliseconds, and far ahead in seconds. */
const SECONDS_MAX = 1e11
/** Beyond it the number can only count microseconds, or nanoseconds. */
const MILLISECONDS_MAX = 1e14
const MICROSECONDS_MAX = 1e17

/**
 * Milliseconds since the epoch of a time in seconds, milliseconds, microseconds or nanoseconds, or written as in ISO 8601, also with
 * a blank in place of its T and without a zone (UTC). `null` for what is none.
 */
export function time(value: unknown): number | null {
  if (typeof value === 'bigint') return time(Number(value))
  if (typeof value === 'number') {
    if (!Number.isFinite(value) || value <= 0) return null
    if (value < SECONDS_MAX) return Math.trunc(value * 1_000)
    if (value < MILLISECONDS_MAX) return Math.trunc(value)
    return Math.trunc(value / (value < MICROSECONDS_MAX ? 1e3 : 1e6))
  }
  if (typeof value !== 'string' || value.length > TIME_CHARACTERS_MAX) return null
  if (/^\d+(\.\d+)?$/.test(value)) return time(Number(value))
  const iso = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?) ?(Z|[+-]\d\d(?::?\d\d)?)?$/i.exec(
    value,
  )
  if (iso === null) return null
  const [, date, clock, zone = 'Z'] = iso
  const ms = Date.parse(`${date}T${clock}${/^[+-]\d\d$/.test(zone) ? `${zone}:00` : zone}`)
  return Number.isNaN(ms) ? null : ms
}

/** A text or a number as text; `null` for anything else, and for an empty text. Ids of some platforms are numbers. */
export function text(value: unknown): string | null {
  if (typeof value === 'string') return value === '' ? null : value
  return typeof value === 'number' || typeof value === 'bigint' ? String(value) : null
}

/** The value at a JSON pointer (RFC 6901); `null` where there is none. */
export function at(value: unknown, pointer: string): unknown {
  spend(UNITS_PER_CALL + pointer.length)
  return memberOf(value, namesIn(pointer))
}

/** The names of the members that a JSON pointer goes through. */
export function namesIn(pointer: string): readonly string[] {
  if (pointer === '') return []
  const tokens = pointer.slice(1).split('/')
  return pointer.includes('~') ? tokens.map((it) => it.replaceAll('~1', '/').replaceAll('~0', '~')) : tokens
}

/** The first that is neither null nor an empty text. */
export function first(...values: readonly unknown[]): unknown {
  spend(UNITS_PER_CALL)
  return values.find((it) => it !== null && it !== undefined && it !== '') ?? null
}
