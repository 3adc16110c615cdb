import {
  OUTCOME_CUT,
  type Outcome,
  type OutcomeSubject,
  outcomeCuts,
  outcomeData,
  outcomeId,
  outcomeTypes,
} from '../events/outcome.ts'
import type { Transport } from '../transports/transport.ts'
import type { DeliveryCause } from './delivery.ts'
import type { OutgoingRecord } from './outcome-log.ts'

/** What of an outcome's data tells which delivery it is of, and what became of it. */
const IDENTIFYING = [
  ...['issuer', 'sessionId', 'oidcSessionId', 'clientId', 'registeredAt', 'occurredAt', 'trigger'],
  ...['jti', 'attempts', 'status', 'reason', 'would'],
]
/** Of an id, where not even the ids of an outcome fit; its `ce_id` stays what it is. */
const ID_CHARACTERS_MAX = 64

/**
 * An outcome as a CloudEvent in Kafka binary mode. The key is the OP session id, so that one session's records stay
 * in order; where the trigger's record had the same key, the outcome follows it into its partition, whatever
 * partitioner the identity platform uses.
 */
export function outcomeRecord(
  topic: string,
  outcome: Outcome,
  subject: OutcomeSubject,
  cause: DeliveryCause,
  types: Transport['outcomeTypes'] = outcomeTypes,
): OutgoingRecord {
  const record: OutgoingRecord = {
    topic,
    key: subject.sessionId,
    value: outcomeData(outcome, subject, cause.origin, cause.occurredAtMs),
    headers: {
      ce_specversion: '1.0',
      ce_id: outcomeId(cause.origin, subject),
      ce_source: subject.issuer,
      ce_type: types[outcome.kind],
      'content-type': 'application/json',
      ...(cause.traceparent !== undefined && { traceparent: cause.traceparent }),
      ...(cause.tracestate !== undefined && { tracestate: cause.tracestate }),
    },
    shorter: () => identityOf(record),
  }
  return record
}

/** Without the details: what led to it, how to deliver it again, and the trace. */
function identityOf({ headers, value, shorter: ___, ...record }: OutgoingRecord): OutgoingRecord {
  const data = JSON.parse(String(value)) as Record<string, unknown>
  const { traceparent: _, tracestate: __, ...kept } = headers
  const identity = {
    ...record,
    value: JSON.stringify(Object.fromEntries(IDENTIFYING.map((name) => [name, data[name]]))),
    headers: { ...kept, [OUTCOME_CUT]: outcomeCuts.details },
  }
  return { ...identity, shorter: () => withCutIds(identity) }
}

/**
 * Enough for a person to find the delivery. For a program there are the `ce_id` and the position of the trigger, from which
 * the relay itself finds the registration.
 */
function withCutIds({ key, value, headers, ...record }: OutgoingRecord): OutgoingRecord {
  const cut = (name: string, it: unknown): unknown =>
    typeof it === 'string' && it.length > ID_CHARACTERS_MAX && name !== 'topic'
      ? `${it.slice(0, ID_CHARACTERS_MAX)}…`
      : it
  return {
    ...record,
    key: String(cut('key', key)),
    value: JSON.stringify(JSON.parse(String(value)), cut),
    headers: { ...headers, ce_source: String(cut('', headers.ce_source)), [OUTCOME_CUT]: outcomeCuts.ids },
  }
}
