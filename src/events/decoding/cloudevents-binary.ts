import { isOutcomeType } from '../outcome.ts'
import { cloudEventType, headerText } from '../wire-record.ts'
import type { Decoder } from './decoder.ts'
import { timeOf } from './envelope.ts'
import { isKnownType, kindOf, unread } from './known-types.ts'

/**
 * CloudEvents Kafka binding, binary content mode: attributes in `ce_*` headers, only the data in the value. Does not parse
 * the relay's own outcomes.
 */
export const cloudEventsBinary: Decoder = {
  name: 'cloudevents-binary',

  decode(_record, headers, content) {
    const type = headerText(headers, 'ce_type')
    if (type === undefined) return undefined
    if (!isKnownType(type)) return unread(type)
    const parsed = content()
    if (parsed.kind === 'poison') return parsed
    return {
      kind: 'envelope',
      type,
      data: parsed.json,
      id: headerText(headers, 'ce_id'),
      timeMs: timeOf(headerText(headers, 'ce_time')),
      traceparent: headerText(headers, 'traceparent') ?? headerText(headers, 'ce_traceparent'),
      tracestate: headerText(headers, 'tracestate') ?? headerText(headers, 'ce_tracestate'),
    }
  },

  mayConcern(record, what) {
    const type = cloudEventType(record)
    if (type === undefined) return undefined
    if (isKnownType(type)) return what === undefined || kindOf(type) === what
    return isOutcomeType(type) ? false : undefined
  },
}
