import { hash } from 'node:crypto'
import { isTime } from './claimed-time.ts'
import type { Registration } from './registration.ts'
import { isOrigin, type TriggerOrigin } from './trigger.ts'
import { cloudEventType, type WireRecord } from './wire-record.ts'

/**
 * Why a delivery failed for good.
 * - `rejected`: the RP answered that it will not accept the logout.
 * - `exhausted`: the allowed number of attempts is spent.
 * - `expired`: the deadline passed.
 * - `blocked`: the egress guard refused the address.
 * - `invalid`: the registration, or the lack of a key, makes a token impossible.
 * - `discarded`: an operator gave it up.
 */
export const failureReasons = ['rejected', 'exhausted', 'expired', 'blocked', 'invalid', 'discarded'] as const
export type FailureReason = (typeof failureReasons)[number]

/** `origin` is where the last attempt went, which settings of the RP may have decided: scheme, host and port. */
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

export const outcomeTypes = { sent: 'backchannel-logout-sent', failed: 'backchannel-logout-failed' } as const
export type OutcomeType = (typeof outcomeTypes)[keyof typeof outcomeTypes]

/** True for a `ce_type` that is an outcome: the relay's own records, which intake skips unparsed. */
export function isOutcomeType(type: string): boolean {
  return type === outcomeTypes.sent || type === outcomeTypes.failed
}

/**
 * The CloudEvents id of an outcome. It depends on the trigger and the registration only, so that consumers can
 * drop the repetition that a crash between publishing and removing the registration causes.
 */
export function outcomeId(origin: TriggerOrigin, registration: OutcomeSubject): string {
  const { issuer, sessionId, oidcSessionId } = registration
  return hash('sha1', `${origin.id}\n${issuer}\n${sessionId}\n${oidcSessionId}`, 'base64url')
}

/** A registration, or as much of an invalid one as could be read. */
export type OutcomeSubject = Pick<Registration, 'issuer' | 'sessionId' | 'oidcSessionId'> &
  Partial<Omit<Registration, 'issuer' | 'sessionId' | 'oidcSessionId'>>

/**
 * The JSON of an outcome record. It tells which registration it settles by its date too, because the same ids may be used
 * again, and when it was that the session ended (both in milliseconds since the epoch). A failed one holds what is needed
 * to deliver it again: beside the reason the whole registration.
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

/** True for an outcome record, by its header alone. */
export function isOutcome(record: WireRecord): boolean {
  const type = cloudEventType(record)
  return type !== undefined && isOutcomeType(type)
}

/** What an outcome record settled. */
export interface SettledByLog extends Pick<Registration, 'issuer' | 'sessionId' | 'oidcSessionId'> {
  /**
   * A registration of that name is settled when it was made until then; a later one is a later login. Where the outcome
   * does not tell, what stood there when it was written counts. Milliseconds since the epoch.
   */
  readonly registeredAtMs: number
  /** The trigger by which it was owed. */
  readonly origin?: TriggerOrigin
  /** When the session ended. Milliseconds since the epoch. */
  readonly occurredAtMs?: number
  /** When the outcome was written. Milliseconds since the epoch. */
  readonly recordedAtMs: number
}

/** Which registration an outcome record settled; `undefined` for a record that is no outcome of this relay. */
export function readOutcome(record: WireRecord): SettledByLog | undefined {
  const { timestampMs, value } = record
  if (!isOutcome(record) || value === null) return undefined
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

/** A record whose time is none settles whatever stands before it. */
function writtenUntilMs(timestampMs: number): number {
  return isTime(timestampMs) ? timestampMs : Number.MAX_SAFE_INTEGER
}

function readOrigin(trigger: unknown): TriggerOrigin | undefined {
  if (typeof trigger !== 'object' || trigger === null) return undefined
  const { id, topic, partition, offset } = trigger as TriggerOrigin
  const origin = { id, topic, partition, offset }
  return isOrigin(origin) ? origin : undefined
}
