import type { DeliveryCause } from '../delivery/delivery.ts'
import { type Outcome, type OutcomeSubject, outcomeData, outcomeId, outcomeTypes } from '../events/outcome.ts'
import type { OutgoingRecord } from './outcome-log.ts'

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
): OutgoingRecord {
  return {
    topic,
    key: subject.sessionId,
    value: outcomeData(outcome, subject, cause.origin, cause.occurredAtMs),
    headers: {
      ce_specversion: '1.0',
      ce_id: outcomeId(cause.origin, subject),
      ce_source: subject.issuer,
      ce_type: outcomeTypes[outcome.kind],
      'content-type': 'application/json',
      ...(cause.traceparent !== undefined && { traceparent: cause.traceparent }),
      ...(cause.tracestate !== undefined && { tracestate: cause.tracestate }),
    },
  }
}
