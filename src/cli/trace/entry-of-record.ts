import type { DecodeResult, Decoders } from '../../events/decoding/decode-record.ts'
import { isObject, textOf } from '../../events/decoding/envelope.ts'
import { frameOf } from '../../events/decoding/framing.ts'
import { plainHeader } from '../../events/decoding/peel.ts'
import { readOutcomeDetails, shadowedText } from '../../events/read-outcome-details.ts'
import type { Trigger } from '../../events/trigger.ts'
import { headerText, type WireRecord } from '../../events/wire-record.ts'
import { systemClock } from '../../lib/clock.ts'
import { counted } from '../../lib/counted.ts'
import { withoutQuery } from '../sessions/registration-rows.ts'
import type { Entry } from './entry.ts'
import type { Subject } from './subject.ts'

/** The lines of the timeline for a record about the subject, which learns from it; none for any other. */
export function entriesOfRecord(
  record: WireRecord,
  decoders: Decoders,
  issuer: string,
  subject: Subject,
): Entry[] {
  const { value, key } = record
  if (value === null) return []
  // Numbers and compound values of Avro do not stand there as text.
  const isFramed = frameOf(record) !== undefined
  if (!isFramed && !subject.mayStandIn(value) && !(key !== null && subject.mayStandIn(key))) return []
  const own = deadLetterEntry(record, subject) ?? outcomeEntry(record, issuer, subject)
  if (own !== undefined) return [own]
  const decoded = [decoders.decode(record, systemClock.now())].flat()
  return decoded.flatMap((it) =>
    it.kind === 'skipped' && it.reason === 'unknown-type'
      ? (unknownEntry(record, decoders, subject) ?? [])
      : (inputEntry(it, record, issuer, subject) ?? []),
  )
}

function at({ timestampMs, topic, partition, offset }: WireRecord) {
  return { atMs: timestampMs, topic, partition, offset }
}

/** It could not be decoded, so it is recognised by its key, or by an id somewhere in its value. */
function deadLetterEntry(record: WireRecord, { asked, sessions }: Subject): Entry | undefined {
  const { headers } = record
  const why = headerText(headers, 'dead-letter-reason')
  if (why === undefined) return undefined
  const key = record.key?.toString('utf8')
  const isMeant = (key !== undefined && (key === asked || sessions.has(key))) || record.value?.includes(asked)
  if (isMeant !== true) return undefined
  const from = ['topic', 'partition', 'offset'].map((name) => headerText(headers, `dead-letter-${name}`))
  return {
    ...at(record),
    kind: 'dead-letter',
    text: `a record at ${from.join('/')} could not be read: ${why}`,
    reason: why,
  }
}

/** Nobody knows what its fields mean: one of the ids is its key, or stands in it as a whole. */
function unknownEntry(
  record: WireRecord,
  decoders: Decoders,
  { sessions, users }: Subject,
): Entry | undefined {
  const json = decoders.contentOf(record)
  const said = json.kind === 'json' ? json.json : undefined
  const isMeant = (text: string) => sessions.has(text) || users.has(text)
  if (!isMeant(record.key?.toString('utf8') ?? '') && !holds(said, isMeant)) return undefined
  const inValue = isObject(said) ? textOf(said.type) : undefined
  const type = plainHeader(record.headers, 'ce_type') ?? inValue ?? 'none'
  return { ...at(record), kind: 'unknown-type', text: `of a type that the relay does not read: ${type}` }
}

/** Whether any text within a JSON value is meant. Not recursive: others decide how deep it is. */
function holds(json: unknown, isMeant: (text: string) => boolean): boolean {
  const left = [json]
  for (const it of left) {
    if (typeof it === 'string' && isMeant(it)) return true
    if (typeof it === 'object' && it !== null) for (const value of Object.values(it)) left.push(value)
  }
  return false
}

function outcomeEntry(record: WireRecord, issuer: string, subject: Subject): Entry | undefined {
  const outcome = readOutcomeDetails(record)
  if (outcome === undefined || outcome.issuer !== issuer) return undefined
  const { kind, attempts, status, reason, lastError, issuer: _, sub, ...names } = outcome
  // One that was sent names its user by `sub` alone; where RPs know users by other names, nobody is found by them.
  const user = names.userId ?? sub
  subject.learn(names.sessionId, user)
  if (!subject.covers(names.sessionId, user)) return undefined
  const made = counted(attempts ?? 0, 'attempt')
  if (kind === 'shadowed') {
    const text = `${shadowedText(outcome)}: nothing was sent`
    return { ...at(record), kind, ...names, text }
  }
  const text =
    kind === 'sent'
      ? `sent after ${made}, status ${status}`
      : `failed: ${reason} after ${made}${lastError === undefined ? '' : `, last: ${lastError}`}`
  return {
    ...at(record),
    kind,
    ...names,
    text,
    ...(attempts !== undefined && { attempts }),
    ...(status !== undefined && { status }),
    ...(reason !== undefined && { reason }),
    ...(lastError !== undefined && { lastError }),
  }
}

function inputEntry(
  decoded: DecodeResult,
  record: WireRecord,
  issuer: string,
  subject: Subject,
): Entry | undefined {
  if (decoded.kind === 'registration') {
    const {
      issuer: of,
      sessionId,
      userId,
      clientId,
      oidcSessionId,
      backchannelLogoutUri,
    } = decoded.registration
    if (of !== issuer) return undefined
    subject.learn(sessionId, userId)
    if (!subject.covers(sessionId, userId)) return undefined
    const text =
      backchannelLogoutUri === undefined
        ? 'registered at the URI of its client'
        : `registered at ${withoutQuery(backchannelLogoutUri)}`
    return { ...at(record), kind: 'registered', sessionId, oidcSessionId, clientId, userId, text }
  }
  if (decoded.kind !== 'trigger' || decoded.trigger.issuer !== issuer) return undefined
  const { trigger } = decoded
  const { sessionId, userId } = trigger
  subject.learn(sessionId, userId)
  if (!subject.covers(sessionId, userId)) return undefined
  return {
    ...at(record),
    // The time at which it happened decides which logins a sign-out means.
    atMs: trigger.occurredAtMs,
    kind: 'trigger',
    ...(sessionId !== undefined && { sessionId }),
    ...(userId !== undefined && { userId }),
    triggerId: trigger.origin.id,
    text: triggerText(trigger),
  }
}

function triggerText({ type, sessionId, reason, origin }: Trigger): string {
  const what = type === 'user-signed-out' && sessionId === undefined ? `${type} everywhere` : type
  return `${what}${reason === undefined ? '' : ` (${reason})`}, id ${origin.id}`
}
