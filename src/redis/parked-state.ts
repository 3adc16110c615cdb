import { z } from 'zod'
import type { ParkedName, ParkedState } from '../delivery/backlog.ts'
import type { TraceContext } from '../events/trace-context.ts'
import { positionOf } from '../events/wire-record.ts'

/*
 * How Redis stores parked deliveries. A dead RP may have a million. What never changes is the member of the sorted set; what
 * changes is stored only after an attempt. The member depends only on the registration and the mark of its ending, so parking
 * a delivery again, by any replica, adds no second one.
 */

type Progress = Pick<ParkedState, 'attempts' | 'doubtful' | 'lastStatus' | 'lastError' | 'origin'>

const count = z.int().nonnegative()
/** Attempts, doubtful attempts, last status, last error, origin of the last attempt. */
const fieldsSchema = z.tuple([count, count, count, z.string(), z.string().optional()])

/** The limit of `Date`. */
const DATE_MS_MAX = 8.64e15

/** Stands for a missing trace context. */
const NONE = '-'

/**
 * Three lines, since ids hold no control characters: `sessionId`, `oidcSessionId`, trigger. Times and offsets are in base 36.
 * An id that only repeats the position is left out.
 */
export function encodeMember({ sessionId, oidcSessionId, state: { cause, deadlineMs } }: ParkedName): string {
  const { id, topic, partition, offset } = cause.origin
  const times = `${encodeTime(deadlineMs)} ${encodeTime(cause.occurredAtMs)}${encodeUntil(cause)}`
  const position = `${topic} ${partition} ${offset.toString(36)}`
  const everywhere = cause.everywhere ? 1 : 0
  const ownId = id === positionOf({ topic, partition, offset }) ? '' : id
  return `${sessionId}\n${oidcSessionId}\n${times} ${everywhere} ${position} ${encodeTrace(cause)} ${ownId}`
}

/** `undefined` for a foreign member. */
export function decodeMember(
  member: string,
): Pick<ParkedName, 'sessionId' | 'oidcSessionId' | 'state'> | undefined {
  const [sessionId = '', oidcSessionId = '', trigger = '', ...more] = member.split('\n')
  const [deadline = '', occurredAt = '', everywhere, topic = '', partitionText, offsetText = '', ...rest] =
    trigger.split(' ')
  const [trace, ...idWords] = rest
  if (more.length > 0 || trace === undefined || idWords.length === 0) return undefined
  const partition = Number(partitionText)
  const offset = Number.parseInt(offsetText, 36)
  const id = idWords.join(' ') || positionOf({ topic, partition, offset })
  const cause = {
    origin: { id, topic, partition, offset },
    // `parseInt` stops at the sign before the cut-off.
    occurredAtMs: Number.parseInt(occurredAt, 36),
    ...decodeUntil(occurredAt),
    everywhere: everywhere === '1',
    ...decodeTrace(trace),
  }
  const deadlineMs = Number.parseInt(deadline, 36)
  const numbers = [deadlineMs, cause.occurredAtMs, cause.untilMs ?? 0, partition, offset]
  const isWhole = sessionId !== '' && oidcSessionId !== '' && topic !== ''
  return isWhole && numbers.every(Number.isSafeInteger)
    ? { sessionId, oidcSessionId, state: { cause, deadlineMs } }
    : undefined
}

/** A JSON array; empty text for a delivery of which there is nothing to say. */
export function encodeProgress({ attempts, doubtful, lastStatus, lastError, origin }: Progress): string {
  if (attempts === 0 && doubtful === 0 && lastError === undefined) return ''
  const fields: z.infer<typeof fieldsSchema> = [attempts, doubtful, lastStatus ?? 0, lastError ?? '']
  if (origin !== undefined) fields.push(origin)
  return JSON.stringify(fields)
}

/** Unreadable progress counts as no attempt: one attempt too many is better than none. */
export function decodeProgress(json: string): Progress {
  if (json === '') return { attempts: 0, doubtful: 0 }
  try {
    const [attempts, doubtful, lastStatus, lastError, origin] = fieldsSchema.parse(JSON.parse(json))
    return {
      attempts,
      doubtful,
      ...(lastStatus && { lastStatus }),
      ...(lastError && { lastError }),
      ...(origin && { origin }),
    }
  } catch {
    return { attempts: 0, doubtful: 0 }
  }
}

/** The cut-off, as its distance from the time. An earlier version, which may read this, wrote none. */
function encodeUntil({ occurredAtMs, untilMs }: ParkedState['cause']): string {
  return untilMs === undefined || !Number.isFinite(untilMs)
    ? ''
    : `+${(dateOf(untilMs) - dateOf(occurredAtMs)).toString(36)}`
}

function encodeTime(ms: number): string {
  return dateOf(ms).toString(36)
}

/** Foreign times may be any number. Clamps them to dates that can be read back. */
function dateOf(ms: number): number {
  return Math.trunc(Math.max(Math.min(ms, DATE_MS_MAX), -DATE_MS_MAX)) || 0
}

function decodeUntil(occurredAt: string): { untilMs?: number } {
  const [time, later] = occurredAt.split('+') as [string, string?]
  return later === undefined ? {} : { untilMs: Number.parseInt(time, 36) + Number.parseInt(later, 36) }
}

/** `traceparent;tracestate`. A `tracestate` may hold spaces, which separate fields here, but no tabs. */
function encodeTrace({ traceparent, tracestate }: TraceContext): string {
  if (traceparent === undefined) return NONE
  return tracestate === undefined ? traceparent : `${traceparent};${tracestate.replaceAll(' ', '\t')}`
}

function decodeTrace(text: string): TraceContext {
  if (text === NONE) return {}
  const end = text.indexOf(';')
  if (end === -1) return { traceparent: text }
  return { traceparent: text.slice(0, end), tracestate: text.slice(end + 1).replaceAll('\t', ' ') }
}
