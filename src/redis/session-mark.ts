import { CLOCK_TOLERANCE_MS, isTime } from '../events/claimed-time.ts'
import { identifier } from '../events/identifier.ts'
import { readTraceContext } from '../events/trace-context.ts'
import { isOrigin } from '../events/trigger.ts'
import type { Ending } from '../registry/ending.ts'

/*
 * The mark of an ending in Redis: the first line of a session's tombstone, or all of a user's sign-out mark. A trigger that
 * covers more registrations appends a further mark, on a line that begins with a tab. A registration belongs to the first
 * mark that covers it, so later marks never change that. The remaining lines are settled registrations: `oidcSessionId`, a
 * tab, the date up to which it is settled. An identity provider may write its own tombstone without a mark.
 */

type Fields = [
  id: string,
  topic: string,
  partition: number,
  offset: number,
  untilMs?: number | null,
  occurredAtMs?: number | null,
  deadlineMs?: number | null,
  everywhere?: 0 | 1,
  /** '' if missing. */
  traceparent?: string,
  tracestate?: string,
  userId?: string,
]

export function writeMark(ending: Ending): string {
  const { id, topic, partition, offset } = ending.origin
  const { deadlineMs = null, everywhere, occurredAtMs, traceparent, tracestate, untilMs, userId } = ending
  const fields = [id, topic, partition, offset, untilMs, occurredAtMs, deadlineMs, everywhere ? 1 : 0]
  if (userId !== undefined) fields.push(traceparent ?? '', tracestate ?? '', userId)
  else if (traceparent !== undefined)
    fields.push(traceparent, ...(tracestate === undefined ? [] : [tracestate]))
  return JSON.stringify(fields)
}

/**
 * `undefined` for a line that is not a mark. An earlier version wrote fewer fields: `otherwise` fills them, and such an
 * ending covers all registrations.
 */
export function readMark(line: string, otherwise: Ending): Ending | undefined {
  const fields = fieldsOf(line)
  if (fields === undefined) return undefined
  const [id, topic, partition, offset, untilMs, occurredAtMs, deadlineMs, everywhere, ...trace] = fields
  const origin = { id, topic, partition, offset }
  if (untilMs == null) return { ...otherwise, origin, untilMs: Number.POSITIVE_INFINITY }
  if (occurredAtMs == null) {
    // Only sign-outs had this form. The field is the time at which they occurred.
    const { deadlineMs: deadline } = otherwise
    const times = { occurredAtMs: untilMs, untilMs: untilMs + CLOCK_TOLERANCE_MS }
    return { origin, ...times, everywhere: true, ...(deadline !== undefined && { deadlineMs: deadline }) }
  }
  const [traceparent, tracestate, userId] = trace
  // It becomes a header of the request to the RP and a field of a parked delivery.
  const context = readTraceContext(traceparent || undefined, tracestate || undefined)
  return {
    origin,
    untilMs,
    occurredAtMs,
    ...(deadlineMs != null && { deadlineMs }),
    everywhere: everywhere === 1,
    ...context,
    ...(userId !== undefined && { userId }),
  }
}

/** The marks of a tombstone in order. `otherwise` fills missing fields. */
export function readMarks(tombstone: string, otherwise: Ending): Ending[] {
  if (tombstone === '') return []
  const marks: Ending[] = []
  for (const line of tombstone.split('\n')) {
    if (marks.length > 0 && !line.startsWith('\t[')) break
    const mark = readMark(marks.length === 0 ? line : line.slice(1), otherwise)
    if (mark === undefined) break
    marks.push(mark)
  }
  return marks
}

/** The dates up to which registrations are settled, by `oidcSessionId`. Infinite for the lines of an earlier version. */
export function readSettled(tombstone: string): Map<string, number> {
  const settled = new Map<string, number>()
  for (const line of tombstone.split('\n').slice(1)) {
    if (line.startsWith('\t[')) continue
    const tab = line.indexOf('\t')
    const oidcSessionId = tab === -1 ? line : line.slice(0, tab)
    const untilMs = tab === -1 ? Number.POSITIVE_INFINITY : Number(line.slice(tab + 1))
    settled.set(oidcSessionId, Math.max(settled.get(oidcSessionId) ?? 0, untilMs))
  }
  return settled
}

function fieldsOf(line: string): Fields | undefined {
  // The usual case. Catching a parse error costs as much as the rest of a registration.
  if (!line.startsWith('[')) return undefined
  try {
    const fields = JSON.parse(line) as Fields
    return isMark(fields) ? fields : undefined
  } catch {
    return undefined
  }
}

/** The mark may be foreign. `MARKS_OF` in `lua-parts.ts` applies the same rules. */
function isMark([id, topic, partition, offset, ...others]: readonly unknown[]): boolean {
  const [untilMs, occurredAtMs, deadlineMs, , traceparent, tracestate, userId] = others
  return (
    isOrigin({ id, topic, partition, offset }) &&
    [untilMs, occurredAtMs, deadlineMs].every((it) => it == null || isWholeTime(it)) &&
    [traceparent, tracestate].every((it) => it === undefined || typeof it === 'string') &&
    (userId === undefined || identifier.safeParse(userId).success)
  )
}

function isWholeTime(value: unknown): boolean {
  return Number.isInteger(value) && isTime(value as number)
}
