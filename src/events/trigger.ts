import { z } from 'zod'
import { identifier, optional } from './identifier.ts'
import { positionOf, type RecordPosition } from './wire-record.ts'

/**
 * The record that a delivery goes back to. `id` is the CloudEvents id, or where the record had none its position and time:
 * `topic/partition/offset@timestamp`, milliseconds since the epoch.
 */
export interface TriggerOrigin extends RecordPosition {
  readonly id: string
}

/**
 * The name of a record that has none of its own. A topic that is deleted and created anew counts its offsets from the
 * beginning again; the timestamp tells the records of its two lives apart, and is the same whenever a record is read.
 */
export function idOfRecord(position: RecordPosition, timestampMs: number): string {
  return `${positionOf(position)}@${timestampMs}`
}

const TOPIC = /^[\w.-]{1,249}$/
const PARTITION_MAX = 2 ** 31 - 1

/** An id that would forge lines or swell every key counts as none. */
export function originId(id: string | undefined): string | undefined {
  return id && id.length <= 256 && !/[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]/u.test(id) ? id : undefined
}

/** Whether it can be where a trigger came from: others write outcomes and marks as well. */
export function isOrigin({ id, topic, partition, offset }: Record<keyof TriggerOrigin, unknown>): boolean {
  return (
    identifier.safeParse(id).success &&
    typeof topic === 'string' &&
    TOPIC.test(topic) &&
    isCount(partition) &&
    partition <= PARTITION_MAX &&
    isCount(offset)
  )
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

/**
 * Whether both are the same record. An earlier version named a record after its position alone: then nothing more is
 * known.
 */
export function isSameOrigin(a: TriggerOrigin, b: TriggerOrigin): boolean {
  if (a.topic !== b.topic || a.partition !== b.partition || a.offset !== b.offset) return false
  const position = positionOf(a)
  return a.id === b.id || a.id === position || b.id === position
}

interface TriggerBase {
  readonly issuer: string
  readonly reason?: string
  readonly origin: TriggerOrigin
  /** When the identity platform says it happened: `ce_time`, or the record's timestamp. Milliseconds since the epoch. */
  readonly occurredAtMs: number
  /** The cut-off: registrations made until then are meant, later ones belong to a later login. Milliseconds since the epoch. */
  readonly untilMs: number
  /** W3C Trace Context header value, carried to the RP and to the outcome. */
  readonly traceparent?: string
  readonly tracestate?: string
}

export interface SessionTerminated extends TriggerBase {
  readonly type: 'session-terminated'
  readonly sessionId: string
  readonly userId?: string
}

/** Without a `sessionId` the user signed out everywhere. */
export interface UserSignedOut extends TriggerBase {
  readonly type: 'user-signed-out'
  readonly userId: string
  readonly sessionId?: string
}

export type Trigger = SessionTerminated | UserSignedOut

const reason = optional(z.string().max(1_024))

export const sessionTerminatedData = z.object({
  issuer: optional(identifier),
  sessionId: identifier,
  userId: optional(identifier),
  reason,
})

export const userSignedOutData = z.object({
  issuer: optional(identifier),
  userId: identifier,
  sessionId: optional(identifier),
  reason,
})
