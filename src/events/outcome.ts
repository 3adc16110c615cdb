import { hash } from 'node:crypto'
import { isTime } from './claimed-time.ts'
import type { Registration } from './registration.ts'
import { isOrigin, type TriggerOrigin } from './trigger.ts'
import { cloudEventType, headerOf, type RecordPosition, type WireRecord } from './wire-record.ts'

/**
 * Why a delivery failed for good.
 * - `rejected`: the RP answered that it will not accept the logout.
 * - `exhausted`: the allowed number of attempts is spent.
 * - `expired`: the deadline passed.
 * - `blocked`: the egress guard refused the address.
 * - `invalid`: the registration, or the lack of a key, makes a token impossible.
 * - `discarded`: an operator discarded it.
 * - `retired`: its client is retired.
 */
export const failureReasons = [
  'rejected',
  'exhausted',
  'expired',
  'blocked',
  'invalid',
  'discarded',
  'retired',
] as const
export type FailureReason = (typeof failureReasons)[number]

/**
 * What would have become of a delivery that shadow mode did not send, as far as that shows without a connection.
 * - `send`: its first attempt would have gone out.
 * - `unreachable`: the name of the RP has no address, or nobody answers for it.
 * - `unsigned`: no key of the issuer can sign it now.
 * - the others as for `failed`.
 */
export type Would = 'send' | 'unreachable' | 'unsigned' | FailureReason

/** `origin`: scheme, host and port of the last attempt. Settings of the RP may have changed them. */
export type Outcome =
  | {
      readonly kind: 'sent'
      readonly jti: string
      readonly attempts: number
      readonly status: number
      readonly origin?: string
    }
  | {
      readonly kind: 'failed'
      readonly reason: FailureReason
      readonly attempts: number
      readonly jti?: string
      readonly lastStatus?: number
      readonly lastError?: string
      readonly origin?: string
    }
  /** The end of a delivery in shadow mode: nothing was sent. */
  | {
      readonly kind: 'shadowed'
      readonly would: Would
      /** Of the token that was signed and not sent. */
      readonly jti?: string
      /** Why not `send`. */
      readonly error?: string
      readonly origin?: string
    }

export type FailedOutcome = Extract<Outcome, { kind: 'failed' }>

/** The same as a relay in shadow mode tells it: what fails there without a connection would fail in live mode too. */
export function shadowedOf({ reason, lastError, origin }: FailedOutcome): Outcome {
  return {
    kind: 'shadowed',
    would: reason,
    ...(lastError !== undefined && { error: lastError }),
    ...(origin !== undefined && { origin }),
  }
}

export const outcomeTypes = {
  sent: 'backchannel-logout-sent',
  failed: 'backchannel-logout-failed',
  shadowed: 'backchannel-logout-shadowed',
} as const
export type OutcomeType = (typeof outcomeTypes)[keyof typeof outcomeTypes]

/** True for the `ce_type` of an outcome. Intake skips the relay's own outcomes unparsed. */
export function isOutcomeType(type: string): boolean {
  return type === outcomeTypes.sent || type === outcomeTypes.failed || type === outcomeTypes.shadowed
}

/**
 * The CloudEvents id of an outcome. It depends only on trigger and registration, so that consumers can drop duplicates after
 * a crash between publishing and removing the registration.
 */
export function outcomeId(origin: TriggerOrigin, registration: OutcomeSubject): string {
  const { issuer, sessionId, oidcSessionId } = registration
  return hash('sha1', `${origin.id}\n${issuer}\n${sessionId}\n${oidcSessionId}`, 'base64url')
}

/** A registration, or the readable part of an invalid one. */
export type OutcomeSubject = Pick<Registration, 'issuer' | 'sessionId' | 'oidcSessionId'> &
  Partial<Omit<Registration, 'issuer' | 'sessionId' | 'oidcSessionId'>>

/**
 * The JSON of an outcome record. It identifies the registration also by its date, because ids may be reused, and says when
 * the session ended (both in milliseconds since the epoch). A failed outcome has the reason and the whole registration, so
 * that it can be delivered again.
 */
export function outcomeData(
  outcome: Outcome,
  subject: OutcomeSubject,
  origin: TriggerOrigin,
  occurredAtMs?: number,
): string {
  const { issuer, sessionId, oidcSessionId, clientId, sub, sid, registeredAtMs } = subject
  const trigger = { id: origin.id, topic: origin.topic, partition: origin.partition, offset: origin.offset }
  if (outcome.kind === 'sent') {
    const { jti, attempts, status, origin: calledOrigin } = outcome
    return JSON.stringify({
      issuer,
      sessionId,
      oidcSessionId,
      clientId,
      sub,
      sid,
      jti,
      attempts,
      status,
      origin: calledOrigin,
      trigger,
      registeredAt: registeredAtMs,
      occurredAt: occurredAtMs,
    })
  }
  if (outcome.kind === 'shadowed') {
    const { jti, would, error, origin: wouldCall } = outcome
    return JSON.stringify({
      issuer,
      sessionId,
      oidcSessionId,
      clientId,
      sub,
      sid,
      jti,
      attempts: 0,
      status: null,
      origin: wouldCall,
      trigger,
      would,
      error,
      userId: subject.userId,
      registeredAt: registeredAtMs,
      occurredAt: occurredAtMs,
    })
  }
  const { jti, attempts, reason, lastStatus, lastError, origin: calledOrigin } = outcome
  const { userId, backchannelLogoutUri, sessionRequired, alg, typ, claims } = subject
  return JSON.stringify({
    issuer,
    sessionId,
    oidcSessionId,
    clientId,
    sub,
    sid,
    jti,
    attempts,
    status: lastStatus ?? null,
    origin: calledOrigin,
    trigger,
    reason,
    lastStatus,
    lastError,
    userId,
    backchannelLogoutUri,
    sessionRequired,
    alg,
    typ,
    claims,
    registeredAt: registeredAtMs,
    occurredAt: occurredAtMs,
  })
}

/** True for an outcome record, judged by its header alone. */
export function isOutcome(record: WireRecord): boolean {
  const type = cloudEventType(record)
  return type !== undefined && isOutcomeType(type)
}

export interface SettledByLog extends Pick<Registration, 'issuer' | 'sessionId' | 'oidcSessionId'> {
  /**
   * The outcome settles a registration made up to then; later ones belong to a later login. If the outcome names no date, the
   * time of its record counts. Milliseconds since the epoch.
   */
  readonly registeredAtMs: number
  /** The trigger of the delivery. */
  readonly origin?: TriggerOrigin
  /** When the session ended. Milliseconds since the epoch. */
  readonly occurredAtMs?: number
  /** When the outcome was written. Milliseconds since the epoch. */
  readonly recordedAtMs: number
}

/** The header of an outcome that its topic refused at full length. */
export const OUTCOME_CUT = 'outcome-cut'
/** Its values: what was cut. */
export const outcomeCuts = { details: 'details', ids: 'details, ids' } as const

/**
 * An outcome of which only the beginnings of ids have fitted the topic. Together with its trigger, its own id tells which
 * registration it settled: see `outcomeId`.
 */
export interface CutOutcome extends Omit<SettledByLog, 'issuer' | 'sessionId' | 'oidcSessionId' | 'origin'> {
  readonly id: string
  readonly trigger: RecordPosition
}

/** Whether the record says that a delivery was never made, which settles nothing. */
export function isShadowed(record: WireRecord): boolean {
  return cloudEventType(record) === outcomeTypes.shadowed
}

/** The registration that an outcome record settled; `undefined` for any other record. */
export function readOutcome(record: WireRecord): SettledByLog | undefined {
  const { timestampMs, value } = record
  if (!isOutcome(record) || isShadowed(record) || value === null || hasCutIds(record)) return undefined
  try {
    const data = JSON.parse(value.toString('utf8')) as Record<string, unknown>
    const { issuer, sessionId, oidcSessionId, registeredAt, occurredAt } = data
    if (typeof issuer !== 'string' || typeof sessionId !== 'string') return undefined
    if (typeof oidcSessionId !== 'string') return undefined
    const origin = readOrigin(data.trigger)
    return {
      issuer,
      sessionId,
      oidcSessionId,
      registeredAtMs: typeof registeredAt === 'number' ? registeredAt : writtenUntilMs(timestampMs),
      ...(origin !== undefined && { origin }),
      ...(typeof occurredAt === 'number' && { occurredAtMs: occurredAt }),
      recordedAtMs: timestampMs,
    }
  } catch {
    return undefined
  }
}

/** `undefined` for any other record. */
export function readCutOutcome(record: WireRecord): CutOutcome | undefined {
  const { timestampMs, value } = record
  const id = headerOf(record, 'ce_id')
  if (!isOutcome(record) || isShadowed(record) || value === null || id === undefined) return undefined
  if (!hasCutIds(record)) return undefined
  try {
    const { registeredAt, occurredAt, trigger } = JSON.parse(value.toString('utf8')) as Record<
      string,
      unknown
    >
    const origin = readOrigin(trigger)
    if (origin === undefined) return undefined
    return {
      id,
      trigger: origin,
      registeredAtMs: typeof registeredAt === 'number' ? registeredAt : writtenUntilMs(timestampMs),
      ...(typeof occurredAt === 'number' && { occurredAtMs: occurredAt }),
      recordedAtMs: timestampMs,
    }
  } catch {
    return undefined
  }
}

function hasCutIds(record: WireRecord): boolean {
  return headerOf(record, OUTCOME_CUT) === outcomeCuts.ids
}

/** A record with an implausible time settles everything before it. */
function writtenUntilMs(timestampMs: number): number {
  return isTime(timestampMs) ? timestampMs : Number.MAX_SAFE_INTEGER
}

function readOrigin(trigger: unknown): TriggerOrigin | undefined {
  if (typeof trigger !== 'object' || trigger === null) return undefined
  const { id, topic, partition, offset } = trigger as TriggerOrigin
  const origin = { id, topic, partition, offset }
  return isOrigin(origin) ? origin : undefined
}
