import { CLOCK_TOLERANCE_MS, isTime } from '../events/claimed-time.ts'
import { identifier } from '../events/identifier.ts'
import { readTraceContext } from '../events/trace-context.ts'
import { isOrigin } from '../events/trigger.ts'
import type { Ending } from '../registry/ending.ts'

/*
 * The mark of an ending, in Redis: the first line of a session's tombstone, and the whole of a user's sign-out
 * everywhere. A trigger that means others than those before it leaves a further mark below, behind a tab; a
 * registration belongs to the first of them that means it, so that this is never changed by what is read later. The other
 * lines are those of settled registrations: `oidcSessionId`, a tab, and the date up to which it is settled. An identity
 * provider may write a tombstone of its own, whose first line tells nothing.
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
  /** '' in the place of what is not there. */
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
 * `undefined` for a line that is none. An earlier version wrote less: what it left out is taken from `otherwise`, and all
 * that was registered belonged to its endings.
 */
export function readMark(line: string, otherwise: Ending): Ending | undefined {
  const fields = fieldsOf(line)
  if (fields === undefined) return undefined
  const [id, topic, partition, offset, untilMs, occurredAtMs, deadlineMs, everywhere, ...trace] = fields
  const origin = { id, topic, partition, offset }
  if (untilMs == null) return { ...otherwise, origin, untilMs: Number.POSITIVE_INFINITY }
  if (occurredAtMs == null) {
    // Only sign-outs were written like this, with the time at which they occurred.
    const { deadlineMs: deadline } = otherwise
    const times = { occurredAtMs: untilMs, untilMs: untilMs + CLOCK_TOLERANCE_MS }
    return { origin, ...times, everywhere: true, ...(deadline !== undefined && { deadlineMs: deadline }) }
  }
  const [traceparent, tracestate, userId] = trace
  // It becomes a header toward the RP, and a word of what is parked.
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

/** The marks of a tombstone, in order. What is missing in one is taken from `otherwise`. */
export function readMarks(tombstone: string, otherwise: Ending): Ending[] {
  // The usual case: there is none.
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

/** The dates up to which registrations are settled, by `oidcSessionId`; without an end for what an earlier version wrote. */
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
  // The usual case: there is none. A parser's error costs as much as everything else about a registration.
  if (!line.startsWith('[')) return undefined
  try {
    const fields = JSON.parse(line) as Fields
    return isMark(fields) ? fields : undefined
  } catch {
    return undefined
  }
}

/** Somebody else may have written there. `MARKS_OF` in `lua-parts.ts` holds to the same rules. */
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
