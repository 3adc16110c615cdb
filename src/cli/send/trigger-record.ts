import type { OutgoingRecord } from '../../delivery/outcome-log.ts'
import { Decoders } from '../../events/decoding/decode-record.ts'
import type { Trigger } from '../../events/trigger.ts'
import { systemClock } from '../../lib/clock.ts'
import { RelayFault } from '../../lib/errors.ts'

export interface TriggerFields {
  readonly type: Trigger['type']
  readonly id: string
  readonly issuer: string
  readonly sessionId?: string
  readonly userId?: string
  readonly reason?: string
  /** Milliseconds since the epoch. */
  readonly occurredAtMs: number
}

/** What tells an operator's triggers from the identity provider's. */
export const TRIGGER_SOURCE = '/logout-relay/cli'

/**
 * A trigger as a CloudEvent in Kafka binary mode, keyed by the session, or by the user where there is none. It is read
 * back as the relay will read it; throws `LR_USAGE`, which names the field, when the relay would not accept it.
 */
export function triggerRecord(
  topic: string,
  { type, id, issuer, sessionId, userId, reason, occurredAtMs }: TriggerFields,
): OutgoingRecord & { readonly key: string } {
  const value = JSON.stringify({ issuer, sessionId, userId, reason })
  const headers = {
    ce_specversion: '1.0',
    ce_id: id,
    ce_source: TRIGGER_SOURCE,
    ce_type: type,
    ce_time: new Date(occurredAtMs).toISOString(),
    'content-type': 'application/json',
  }
  const wire = { topic, partition: 0, offset: 0, timestampMs: occurredAtMs, key: null, headers }
  const decoded = new Decoders((name = issuer) => name).decode(
    { ...wire, value: Buffer.from(value) },
    systemClock.now(),
  )
  if ('kind' in decoded && decoded.kind === 'poison') throw new RelayFault('LR_USAGE', decoded.reason)
  return { topic, key: sessionId ?? (userId as string), value, headers }
}
