import { type FailureReason, outcomeTypes } from './outcome.ts'
import { readRegistration } from './read-registration.ts'
import type { Registration } from './registration.ts'
import { readTraceContext, type TraceContext } from './trace-context.ts'
import { originId, type TriggerOrigin } from './trigger.ts'
import { cloudEventType, headerText, positionOf, type WireRecord } from './wire-record.ts'

export type FailedOutcomeResult =
  | {
      readonly kind: 'failed'
      readonly registration: Registration
      /** Why it failed; a later version may know other reasons. */
      readonly reason?: string
      /** An operator discarded the delivery. */
      readonly isDiscarded: boolean
      /** The outcome itself, by its id and position: the trigger of a delivery that is made for it. */
      readonly origin: TriggerOrigin
      /** When the session ended, if the outcome says so. Milliseconds since the epoch. */
      readonly occurredAtMs?: number
      readonly trace: TraceContext
    }
  /** Its registration was invalid, so nothing can be delivered. */
  | { readonly kind: 'unusable' }

/** Reads a failed outcome; `undefined` for any other record. */
export function readFailedOutcome(record: WireRecord): FailedOutcomeResult | undefined {
  const { topic, partition, offset, headers, value } = record
  if (cloudEventType(record) !== outcomeTypes.failed || value === null) return undefined
  let data: Record<string, unknown>
  try {
    data = JSON.parse(value.toString('utf8')) as Record<string, unknown>
  } catch {
    return { kind: 'unusable' }
  }
  const result = readRegistration(data, '')
  if (result.kind === 'invalid' || result.registration.issuer === '') return { kind: 'unusable' }
  const id = originId(headerText(headers, 'ce_id')) ?? positionOf(record)
  return {
    kind: 'failed',
    registration: result.registration,
    ...(typeof data.reason === 'string' && { reason: data.reason }),
    isDiscarded: data.reason === ('discarded' satisfies FailureReason),
    origin: { id, topic, partition, offset },
    ...(typeof data.occurredAt === 'number' && { occurredAtMs: data.occurredAt }),
    trace: readTraceContext(headerText(headers, 'traceparent'), headerText(headers, 'tracestate')),
  }
}
