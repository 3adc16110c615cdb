import type { Decoded, Decoder } from '../../../src/events/decoding/decoder.ts'
import type { WireRecord } from '../../../src/events/wire-record.ts'
import { wireRecord } from './wire-records.ts'

export const FOREIGN_TYPE = 'com.example.sessions.changed'

/** The format of another platform: CloudEvents of its own type, each with any number of results. */
export const foreignFormat: Decoder = {
  name: 'foreign',
  decode(record, headers) {
    if (headers.ce_type !== FOREIGN_TYPE) return undefined
    return JSON.parse(String(record.value)) as readonly Decoded[]
  },
  mayConcern: (record) => (record.headers.ce_type === FOREIGN_TYPE ? true : undefined),
}

export function foreignRecord(...said: readonly unknown[]): WireRecord {
  return wireRecord(said, { ce_type: FOREIGN_TYPE })
}

/** One result of such a record, with the relay's field names. */
export function saying(type: string, data: Record<string, unknown>, id?: string) {
  return { kind: 'envelope', type, data, id }
}
