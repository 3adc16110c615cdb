/** Characters that one record's expressions may have parsed and searched, all together: forty times the largest record. */
const CHARACTERS_MAX = 10 * 1_024 * 1_024
let charactersLeft = CHARACTERS_MAX

/** To be called before the expressions of each record. */
export function renewBudget(): void {
  charactersLeft = CHARACTERS_MAX
}

/** Throws when a record has been read too often. */
export function spend(text: string): void {
  charactersLeft -= text.length
  if (charactersLeft < 0) throw new Error('the expression reads the record too many times')
}

/** What a text of JSON says; `null` for what is no text or no JSON. What is JSON already stays. */
export function json(value: unknown): unknown {
  if (typeof value !== 'string') return value ?? null
  spend(value)
  try {
    return JSON.parse(value)
  } catch {
    return null
  }
}

/** The text in a base64 (or base64url) text; `null` for what is none. */
export function base64(value: unknown): string | null {
  if (typeof value !== 'string') return null
  spend(value)
  if (!/^[\w+/=-]*$/.test(value)) return null
  return Buffer.from(value, 'base64').toString('utf8')
}

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
  if (typeof value !== 'string') return null
  if (/^\d+(\.\d+)?$/.test(value)) return time(Number(value))
  const iso = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?) ?(Z|[+-]\d\d(?::?\d\d)?)?$/i.exec(
    value,
  )
  if (iso === null) return null
  const [, date, clock, zone = 'Z'] = iso
  const ms = Date.parse(`${date}T${clock}${/^[+-]\d\d$/.test(zone) ? `${zone}:00` : zone}`)
  return Number.isNaN(ms) ? null : ms
}

/** A text or a number as text; `null` for anything else. Ids of some platforms are numbers. */
export function text(value: unknown): string | null {
  if (typeof value === 'string') return value
  return typeof value === 'number' || typeof value === 'bigint' ? String(value) : null
}

/** The value at a JSON pointer (RFC 6901); `null` where there is none. */
export function at(value: unknown, pointer: string): unknown {
  let found: unknown = value
  if (pointer === '') return found ?? null
  for (const token of pointer.slice(1).split('/')) {
    const name = token.includes('~') ? token.replaceAll('~1', '/').replaceAll('~0', '~') : token
    if (typeof found !== 'object' || found === null || !Object.hasOwn(found, name)) return null
    found = (found as Record<string, unknown>)[name]
  }
  return found ?? null
}

/** The first that is not null. */
export function first(...values: readonly unknown[]): unknown {
  return values.find((it) => it !== null && it !== undefined) ?? null
}
