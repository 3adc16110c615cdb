import { headerText } from '../wire-record.ts'
import { type Envelope, parseJson, type RecordFormat, timeOf } from './envelope.ts'
import { isKnownType } from './known-types.ts'

/**
 * CloudEvents Kafka binding, binary content mode: attributes in `ce_*` headers, the data alone in the value.
 * A type that nobody here consumes is left unparsed, the relay's own outcomes above all.
 */
export const cloudEventsBinary: RecordFormat = (record, headers) => {
  const type = headerText(headers, 'ce_type')
  if (type === undefined) return undefined
  if (!isKnownType(type)) return { kind: 'skipped', type }
  const parsed = parseJson(record.value ?? Buffer.alloc(0))
  if (parsed.kind === 'poison') return parsed
  const id = headerText(headers, 'ce_id')
  const timeMs = timeOf(headerText(headers, 'ce_time'))
  const traceparent = headerText(headers, 'traceparent') ?? headerText(headers, 'ce_traceparent')
  const tracestate = headerText(headers, 'tracestate') ?? headerText(headers, 'ce_tracestate')
  const envelope: Envelope = {
    type,
    data: parsed.json,
    ...(id !== undefined && { id }),
    ...(timeMs !== undefined && { timeMs }),
    ...(traceparent !== undefined && { traceparent }),
    ...(tracestate !== undefined && { tracestate }),
  }
  return { kind: 'envelope', envelope }
}
