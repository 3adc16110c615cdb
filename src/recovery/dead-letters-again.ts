import type { OutgoingRecord } from '../delivery/outcome-log.ts'
import type { Decoders } from '../events/decoding/decode-record.ts'
import { headerText, type WireRecord } from '../events/wire-record.ts'

/** What a letter of the dead-letter topic is good for now. */
export type LetterFate =
  | { readonly kind: 'again'; readonly record: OutgoingRecord }
  /** It still cannot be read, or is not whole, or says nothing to this relay. */
  | { readonly kind: 'left'; readonly why: string }

type Header = OutgoingRecord['headers'][string]

const ADDED = /^dead-letter-/

/**
 * The record that a dead letter was, for the partition and with the time that it had: its place in the order of the log is
 * lost, and its time is what tells which logins it means.
 */
export function letterAgain(
  letter: WireRecord,
  inputTopics: readonly string[],
  decoders: Decoders,
  nowMs: number,
): LetterFate {
  const header = (name: string) => headerText(letter.headers, `dead-letter-${name}`)
  const [topic = '', partition, timestampMs] = [
    header('topic'),
    header('partition'),
    Number(header('timestamp')),
  ]
  if (!inputTopics.includes(topic)) return left(`its topic ${topic || '(none)'} is not in KAFKA_TOPICS`)
  if (header('cut') !== undefined)
    return left(`it was cut; the whole record may still be at ${topic}/${partition}/${header('offset')}`)
  // Not by a spread: a record's content is read when it is asked for.
  const { headers: all, key, offset, partition: at, value } = letter
  // Of the topic that it goes to, whose formats may be others.
  const record = { topic, partition: at, offset, timestampMs, key, value, headers: all }
  const decoded = [decoders.decode(record, nowMs)].flat()
  const poison = decoded.find((it) => it.kind === 'poison')
  if (poison !== undefined) return left(`it still cannot be decoded: ${poison.reason}`)
  const [first] = decoded
  if (first?.kind === 'skipped' && decoded.every((it) => it.kind === 'skipped'))
    return left(`it is skipped: ${first.reason}`)
  // Not by assignment: a header may have any name, `__proto__` too.
  const headers = Object.fromEntries(
    Object.entries(all).filter(
      (header): header is [string, Header] => header[1] !== undefined && !ADDED.test(header[0]),
    ),
  )
  return {
    kind: 'again',
    record: {
      ...{ topic, key, value, headers },
      ...(partition !== undefined && { partition: Number(partition) }),
      ...(timestampMs > 0 && { timestampMs }),
    },
  }
}

function left(why: string): LetterFate {
  return { kind: 'left', why }
}
