import { z } from 'zod'
import type { ParkedName, ParkedState } from '../delivery/backlog.ts'
import type { TraceContext } from '../events/trace-context.ts'
import { positionOf } from '../events/wire-record.ts'

/*
 * How parked deliveries look in Redis. There may be a million of them for one dead RP, so what never changes of one is
 * its member in the sorted set, and what changes is kept only once there was an attempt. All of a member comes from the
 * registration and the mark of its ending, so that whoever parks it, and however often, there is one.
 */

type Progress = Pick<ParkedState, 'attempts' | 'doubtful' | 'lastStatus' | 'lastError' | 'origin'>

const count = z.int().nonnegative()
/** Attempts, doubtful ones, last status, last error, and the origin that was called. */
const fieldsSchema = z.tuple([count, count, count, z.string(), z.string().optional()])

/** The furthest from the epoch that a `Date` can be. */
const DATE_MS_MAX = 8.64e15

/** Stands for a trace context that is not there. */
const NONE = '-'

/**
 * Three lines, because ids hold no control characters: `sessionId`, `oidcSessionId`, and the trigger. Times and offsets
 * are written to base 36, and an id that says no more than the position is left out.
 */
export function encodeMember({ sessionId, oidcSessionId, state: { cause, deadlineMs } }: ParkedName): string {
  const { id, topic, partition, offset } = cause.origin
  const times = `${encodeTime(deadlineMs)} ${encodeTime(cause.occurredAtMs)}${encodeUntil(cause)}`
  const position = `${topic} ${partition} ${offset.toString(36)}`
  const everywhere = cause.everywhere ? 1 : 0
  const ownId = id === positionOf({ topic, partition, offset }) ? '' : id
  return `${sessionId}\n${oidcSessionId}\n${times} ${everywhere} ${position} ${encodeTrace(cause)} ${ownId}`
}

/** `undefined` for a member that is not the relay's. */
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
    // What stands behind a sign that is no digit is not read.
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

/** A JSON list without names; nothing for a delivery that nobody has attempted. */
export function encodeProgress({ attempts, doubtful, lastStatus, lastError, origin }: Progress): string {
  if (attempts === 0 && doubtful === 0) return ''
  const fields: z.infer<typeof fieldsSchema> = [attempts, doubtful, lastStatus ?? 0, lastError ?? '']
  if (origin !== undefined) fields.push(origin)
  return JSON.stringify(fields)
}

/** What cannot be read counts as no attempt: rather one too many than none. */
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

/** The cut-off is a moment later than the time; an earlier version, which may read this, wrote none. */
function encodeUntil({ occurredAtMs, untilMs }: ParkedState['cause']): string {
  return untilMs === undefined || !Number.isFinite(untilMs)
    ? ''
    : `+${(dateOf(untilMs) - dateOf(occurredAtMs)).toString(36)}`
}

function encodeTime(ms: number): string {
  return dateOf(ms).toString(36)
}

/** Times come from what others wrote, and may be any number: a date that is read as it was written. */
function dateOf(ms: number): number {
  return Math.trunc(Math.max(Math.min(ms, DATE_MS_MAX), -DATE_MS_MAX)) || 0
}

function decodeUntil(occurredAt: string): { untilMs?: number } {
  const [time, later] = occurredAt.split('+') as [string, string?]
  return later === undefined ? {} : { untilMs: Number.parseInt(time, 36) + Number.parseInt(later, 36) }
}

/** A `tracestate` stands behind its `traceparent`; it may hold spaces, which divide the fields here, but no tabs. */
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
