import { z } from 'zod'
import { ISSUER_MEANING, identifier, optional } from './identifier.ts'
import { positionOf, type RecordPosition } from './wire-record.ts'

/**
 * The record that caused a delivery. `id` is the CloudEvents id. A record without one has its position and time:
 * `topic/partition/offset@timestamp`, in milliseconds since the epoch.
 */
export interface TriggerOrigin extends RecordPosition {
  readonly id: string
}

/**
 * The id of a record without its own. A recreated topic reuses offsets. The timestamp tells its records from the old ones,
 * and never changes.
 */
export function idOfRecord(position: RecordPosition, timestampMs: number): string {
  return `${positionOf(position)}@${timestampMs}`
}

const TOPIC = /^[\w.-]{1,249}$/
const PARTITION_MAX = 2 ** 31 - 1

/** An id that could forge lines or inflate every key counts as none. */
export function originId(id: string | undefined): string | undefined {
  return id && id.length <= 256 && !/[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]/u.test(id) ? id : undefined
}

/** Whether the value is a valid origin. Outcomes and marks may be foreign. */
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

/** Whether both are the same record. An earlier version used the position alone as id; then the position decides. */
export function isSameOrigin(a: TriggerOrigin, b: TriggerOrigin): boolean {
  if (a.topic !== b.topic || a.partition !== b.partition || a.offset !== b.offset) return false
  const position = positionOf(a)
  return a.id === b.id || a.id === position || b.id === position
}

interface TriggerBase {
  readonly issuer: string
  readonly reason?: string
  readonly origin: TriggerOrigin
  /**
   * When the event happened according to the identity platform: `ce_time`, or the record's timestamp. Milliseconds since the
   * epoch.
   */
  readonly occurredAtMs: number
  /**
   * The cut-off. The trigger covers registrations made up to then; later ones belong to a later login. Milliseconds since the
   * epoch.
   */
  readonly untilMs: number
  /** W3C Trace Context header value. It is passed to the RP and to the outcome. */
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

const issuer = optional(identifier).describe(ISSUER_MEANING)
const reason = optional(z.string().max(1_024)).describe('Why, for people and the log.')

export const sessionTerminatedData = z.object({
  issuer,
  sessionId: identifier.describe('The session at the provider.'),
  userId: optional(identifier).describe('The user, for people and the log.'),
  reason,
})

export const userSignedOutData = z.object({
  issuer,
  userId: identifier.describe('The user.'),
  sessionId: optional(identifier).describe(
    'The one session that ends. Without it, every session of the user.',
  ),
  reason,
})
