import type { OutgoingRecord } from '../delivery/outcome-log.ts'
import type { WireRecord } from '../events/wire-record.ts'

type Header = OutgoingRecord['headers'][string]

/** Below the broker's default limit of one megabyte per record, with room for headers and key. */
const CUT_VALUE_BYTES = 900_000
/** Each further cut leaves this share of the value, or of the key. */
const CUT_SHARE = 1 / 4
const CUT_BYTES_MIN = 64

/**
 * A poison record for the dead-letter topic: original key, value and headers, plus the reason and the source position. Its
 * bytes are copied, so that it does not keep a whole batch in memory.
 */
export function deadLetter(topic: string, record: WireRecord, reason: string): OutgoingRecord {
  // Not by assignment: a header may be named `__proto__`.
  const headers = Object.fromEntries(
    Object.entries(record.headers)
      .filter((header): header is [string, Header] => header[1] !== undefined)
      .map(([name, content]) => [name, Array.isArray(content) ? content.map(apart) : apart(content)]),
  )
  const origin = {
    'dead-letter-reason': reason,
    'dead-letter-topic': record.topic,
    'dead-letter-partition': String(record.partition),
    'dead-letter-offset': String(record.offset),
    'dead-letter-timestamp': String(record.timestampMs),
  }
  const { key, value } = record
  const length = value?.length ?? 0
  const letter = { topic, key: apart(key), value: apart(value), headers: { ...headers, ...origin } }
  return { ...letter, shorter: () => shortened(letter, origin, length) }
}

function apart<T extends Buffer | string | null>(bytes: T): T {
  const isPart = Buffer.isBuffer(bytes) && bytes.buffer.byteLength > 2 * bytes.length
  return isPart ? (Buffer.from(bytes) as T) : bytes
}

/**
 * A shorter letter for a topic that refuses the size. Each step keeps less of the value, then drops the original headers,
 * then cuts the key. A header marks the cut. The source position still points to the whole record.
 */
function shortened(
  letter: OutgoingRecord,
  origin: Readonly<Record<string, string>>,
  bytes: number,
): OutgoingRecord | undefined {
  const cut = cutOnce(letter, origin)
  if (cut === undefined) return undefined
  const left = cut.value?.length ?? 0
  const note = `cut to the first ${left} of ${bytes} bytes, because the dead-letter topic refuses more`
  const noted = { ...cut, headers: { ...cut.headers, 'dead-letter-cut': note } }
  return { ...noted, shorter: () => shortened(noted, origin, bytes) }
}

function cutOnce(
  { shorter: _, ...letter }: OutgoingRecord,
  origin: Readonly<Record<string, string>>,
): OutgoingRecord | undefined {
  const value = bytesOf(letter.value)
  const key = bytesOf(letter.key)
  if (value.length > CUT_VALUE_BYTES)
    return { ...letter, value: Buffer.from(value.subarray(0, CUT_VALUE_BYTES)) }
  if (value.length > 0) return { ...letter, value: value.subarray(0, cutLength(value)) }
  const names = Object.keys(letter.headers).filter((name) => name !== 'dead-letter-cut')
  if (names.length > Object.keys(origin).length) return { ...letter, headers: origin }
  if (key.length > CUT_BYTES_MIN) return { ...letter, key: key.subarray(0, cutLength(key)) }
  return undefined
}

function bytesOf(field: OutgoingRecord['value']): Buffer {
  return Buffer.isBuffer(field) ? field : Buffer.from(field ?? '')
}

function cutLength({ length }: Buffer): number {
  return length <= CUT_BYTES_MIN ? 0 : Math.floor(length * CUT_SHARE)
}
