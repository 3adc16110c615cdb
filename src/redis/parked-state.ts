import type { ParkedState } from '../delivery/backlog.ts'

/*
 * How parked deliveries look in Redis. There may be a million of them for one dead RP, so the state is a JSON list
 * without names.
 */

type Fields = [
  attempts: number,
  doubtful: number,
  deadlineMs: number,
  occurredAtMs: number,
  everywhere: 0 | 1,
  id: string,
  topic: string,
  partition: number,
  offset: number,
  lastStatus?: number,
  lastError?: string,
  traceparent?: string,
]

interface MemberName {
  readonly sessionId: string
  readonly oidcSessionId: string
}

/** Ids hold no control characters, so a line break divides them. */
export function encodeMember({ sessionId, oidcSessionId }: MemberName): string {
  return `${sessionId}\n${oidcSessionId}`
}

export function decodeMember(member: string): MemberName {
  const end = member.indexOf('\n')
  return { sessionId: member.slice(0, end), oidcSessionId: member.slice(end + 1) }
}

export function encodeState({
  attempts,
  doubtful,
  deadlineMs,
  lastStatus,
  lastError,
  cause,
}: ParkedState): string {
  const { id, topic, partition, offset } = cause.origin
  const everywhere = cause.everywhere ? 1 : 0
  const fields: Fields = [
    attempts,
    doubtful,
    deadlineMs,
    cause.occurredAtMs,
    everywhere,
    id,
    topic,
    partition,
    offset,
    lastStatus ?? 0,
    lastError ?? '',
    cause.traceparent ?? '',
  ]
  return JSON.stringify(fields)
}

export function decodeState(json: string): ParkedState {
  const fields = JSON.parse(json) as Fields
  const [attempts, doubtful, deadlineMs, occurredAtMs, everywhere, id, topic, partition, offset] = fields
  const [lastStatus, lastError, traceparent] = [fields[9], fields[10], fields[11]]
  return {
    attempts,
    doubtful,
    deadlineMs,
    ...(lastStatus && { lastStatus }),
    ...(lastError && { lastError }),
    cause: {
      origin: { id, topic, partition, offset },
      occurredAtMs,
      everywhere: everywhere === 1,
      ...(traceparent && { traceparent }),
    },
  }
}
