import type { OutgoingRecord } from '../delivery/outcome-log.ts'
import type { Decoders } from '../events/decoding/decode-record.ts'
import { headerText, type WireRecord } from '../events/wire-record.ts'

/** What can be done with a dead letter now. */
export type LetterFate =
  | { readonly kind: 'again'; readonly record: OutgoingRecord }
  /** It is still unreadable, incomplete, or of no effect for this relay. */
  | { readonly kind: 'left'; readonly why: string; readonly isWithoutEffect?: boolean }

type Header = OutgoingRecord['headers'][string]

const ADDED = /^dead-letter-/

/**
 * The original record of a dead letter, with its partition and time. Its place in the log's order is lost; its time decides
 * which logins it covers. Throws while a schema registry that is needed cannot be asked.
 */
export async function originalRecord(
  letter: WireRecord,
  inputTopics: readonly string[],
  decoders: Decoders,
  nowMs: number,
): Promise<LetterFate> {
  const header = (name: string) => headerText(letter.headers, `dead-letter-${name}`)
  const [topic = '', partition, timestampMs] = [
    header('topic'),
    header('partition'),
    Number(header('timestamp')),
  ]
  if (!inputTopics.includes(topic))
    return left(`its topic ${topic || '(none)'} is not in KAFKA_TOPICS, or does not exist`)
  if (header('cut') !== undefined)
    return left(`it was cut; the whole record may still be at ${topic}/${partition}/${header('offset')}`)
  // Not by a spread: a record's content is read on demand.
  const { headers: all, key, offset, partition: at, value } = letter
  // Not by assignment: a header may be named `__proto__`.
  const headers = Object.fromEntries(
    Object.entries(all).filter(
      (header): header is [string, Header] => header[1] !== undefined && !ADDED.test(header[0]),
    ),
  )
  // With the target topic, which may have other formats.
  const record = { topic, partition: at, offset, timestampMs, key, value, headers }
  await decoders.prepare(record)
  const decoded = [decoders.decode(record, nowMs)].flat()
  const poison = decoded.find((it) => it.kind === 'poison')
  if (poison !== undefined) return left(`it still cannot be decoded: ${poison.reason}`)
  const [first] = decoded
  if (first?.kind === 'skipped' && decoded.every((it) => it.kind === 'skipped'))
    return { ...left(`it is skipped: ${first.reason}`), isWithoutEffect: true }
  return {
    kind: 'again',
    record: {
      ...{ topic, key, value, headers },
      ...(partition !== undefined && { partition: Number(partition) }),
      ...(timestampMs > 0 && { timestampMs }),
    },
  }
}

function left(why: string): Extract<LetterFate, { kind: 'left' }> {
  return { kind: 'left', why }
}
