import { isOutcomeType } from '../outcome.ts'
import type { Decoder } from './decoder.ts'
import { timeOf } from './envelope.ts'
import { isKnownType, kindOf, OLD_NEWS, unread } from './known-types.ts'
import { isNews, opBeside, peelOwn, plainHeader, plainHeaderOf } from './peel.ts'

/**
 * CloudEvents Kafka binding, binary content mode: attributes in `ce_*` headers, only the data in the value. A connector may have
 * put its envelopes around either. Does not parse the relay's own outcomes.
 */
export const cloudEventsBinary: Decoder = {
  name: 'cloudevents-binary',

  decode(_record, headers, content) {
    const type = plainHeader(headers, 'ce_type')
    if (type === undefined) return undefined
    if (!isKnownType(type)) return unread(type)
    const parsed = content()
    if (parsed.kind === 'poison') return parsed
    const peeled = peelOwn(parsed.json, opBeside(headers))
    if (!isNews(peeled)) return OLD_NEWS
    return {
      kind: 'envelope',
      type,
      data: peeled.value,
      id: plainHeader(headers, 'ce_id'),
      timeMs: timeOf(plainHeader(headers, 'ce_time')),
      traceparent: plainHeader(headers, 'traceparent') ?? plainHeader(headers, 'ce_traceparent'),
      tracestate: plainHeader(headers, 'tracestate') ?? plainHeader(headers, 'ce_tracestate'),
    }
  },

  mayConcern(record, what) {
    const type = plainHeaderOf(record, 'ce_type')
    if (type === undefined) return undefined
    if (isKnownType(type)) return what === undefined || kindOf(type) === what
    return isOutcomeType(type) ? false : undefined
  },
}
