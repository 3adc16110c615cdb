import { isUtf8 } from 'node:buffer'
import { isObject, VALUE_BYTES_MAX, withoutMark } from '../events/decoding/envelope.ts'

export type BodyEvents =
  | { readonly kind: 'events'; readonly events: readonly Buffer[] }
  | { readonly kind: 'not-json' }
  /** More events than one body may hold, or one that is larger than any format reads. */
  | { readonly kind: 'too-large' }

const EVENTS_MAX = 1_000
const [NEWLINE, QUOTE, BACKSLASH, COMMA] = [...Buffer.from('\n"\\,')]
const OPENING = new Set(Buffer.from('[{'))
const CLOSING = new Set(Buffer.from(']}'))

/**
 * The events of a body, each with the bytes in which it was written: a JSON object is one, a list holds several, and so do
 * lines of which each is an object. Each becomes a record, so that none is larger than what the decoders read. A byte order mark
 * before them is left out.
 */
export function eventsIn(sent: Buffer): BodyEvents {
  const body = withoutMark(sent)
  if (!isUtf8(body)) return { kind: 'not-json' }
  const whole = parsed(body)
  let events: Buffer[]
  if (isObject(whole)) events = [body]
  else if (Array.isArray(whole)) {
    if (!whole.every(isObject)) return { kind: 'not-json' }
    if (whole.length > EVENTS_MAX) return { kind: 'too-large' }
    events = elementsOf(body)
  } else {
    events = linesOf(body)
    if (events.length > EVENTS_MAX) return { kind: 'too-large' }
    if (events.length === 0 || !events.every((line) => isObject(parsed(line)))) return { kind: 'not-json' }
  }
  return events.some(({ length }) => length > VALUE_BYTES_MAX)
    ? { kind: 'too-large' }
    : { kind: 'events', events }
}

function parsed(json: Buffer): unknown {
  try {
    return JSON.parse(json.toString('utf8'))
  } catch {
    return undefined
  }
}

/** One more than may be, so that too many are noticed. */
function linesOf(body: Buffer): Buffer[] {
  const lines: Buffer[] = []
  for (let start = 0; start < body.length && lines.length <= EVENTS_MAX; ) {
    const found = body.indexOf(NEWLINE as number, start)
    const end = found === -1 ? body.length : found
    const line = body.subarray(start, end)
    if (/\S/.test(line.toString('latin1'))) lines.push(line)
    start = end + 1
  }
  return lines
}

/** Of a list that is known to be valid JSON. Outside of strings the bytes that matter occur in no other character. */
function elementsOf(list: Buffer): Buffer[] {
  const elements: Buffer[] = []
  let [depth, start] = [0, 0]
  let isInString = false
  for (let i = 0; i < list.length; i++) {
    const byte = list[i] as number
    if (isInString) {
      if (byte === BACKSLASH) i++
      else if (byte === QUOTE) isInString = false
    } else if (byte === QUOTE) isInString = true
    else if (OPENING.has(byte)) {
      if (++depth === 1) start = i + 1
    } else if (CLOSING.has(byte) ? --depth === 0 : byte === COMMA && depth === 1) {
      // Of an empty list there is nothing between the brackets.
      if (/\S/.test(list.toString('latin1', start, i))) elements.push(list.subarray(start, i))
      start = i + 1
    }
  }
  return elements
}
