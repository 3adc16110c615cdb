import type { WireRecord } from '../events/wire-record.ts'
import type { OutgoingRecord } from './outcome-log.ts'

type Header = OutgoingRecord['headers'][string]

/** Below the broker's default limit of one megabyte for a record, with room for headers and key. */
const CUT_VALUE_BYTES = 900_000

/**
 * A poison record on its way to the dead-letter topic: its original key, bytes and headers, beside why and from
 * where.
 */
export function deadLetter(topic: string, record: WireRecord, reason: string): OutgoingRecord {
  // Not by assignment: a header may have any name, `__proto__` too.
  const headers = Object.fromEntries(
    Object.entries(record.headers).filter((header): header is [string, Header] => header[1] !== undefined),
  )
  return {
    topic,
    key: record.key,
    value: record.value,
    headers: {
      ...headers,
      'dead-letter-reason': reason,
      'dead-letter-topic': record.topic,
      'dead-letter-partition': String(record.partition),
      'dead-letter-offset': String(record.offset),
      'dead-letter-timestamp': String(record.timestampMs),
    },
  }
}

/**
 * The same for a topic that refuses records of that size: the beginning of the value, and a header that says so.
 * The whole of it still stands where the other headers point.
 */
export function cutDeadLetter(letter: OutgoingRecord): OutgoingRecord {
  const value = Buffer.from(letter.value ?? '')
  const note = `the first ${CUT_VALUE_BYTES} of ${value.length} bytes; the dead-letter topic refuses more`
  return {
    ...letter,
    value: value.subarray(0, CUT_VALUE_BYTES),
    headers: { ...letter.headers, 'dead-letter-cut': note },
  }
}
