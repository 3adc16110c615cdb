import { hash } from 'node:crypto'
import type { Registration } from './registration.ts'
import type { TriggerOrigin } from './trigger.ts'
import { headerText, type WireRecord } from './wire-record.ts'

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

export type Outcome =
  | { readonly kind: 'sent'; readonly jti: string; readonly attempts: number; readonly status: number }
  | {
      readonly kind: 'failed'
      readonly reason: FailureReason
      readonly attempts: number
      readonly jti?: string
      readonly lastStatus?: number
      readonly lastError?: string
    }

export const outcomeTypes = { sent: 'backchannel-logout-sent', failed: 'backchannel-logout-failed' } as const

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
 * The JSON of an outcome record. A failed one holds what is needed to deliver it again: beside the reason the whole
 * registration, and when it was that the session ended (milliseconds since the epoch).
 */
export function outcomeData(
  outcome: Outcome,
  subject: OutcomeSubject,
  origin: TriggerOrigin,
  occurredAtMs?: number,
): string {
  const { issuer, sessionId, oidcSessionId, clientId, sub, sid } = subject
  const trigger = { id: origin.id, topic: origin.topic, partition: origin.partition, offset: origin.offset }
  if (outcome.kind === 'sent') {
    const { jti, attempts, status } = outcome
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
      trigger,
    })
  }
  const { jti, attempts, reason, lastStatus, lastError } = outcome
  const { userId, backchannelLogoutUri, sessionRequired, alg, typ, claims, registeredAtMs } = subject
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
  const type = record.type ?? headerText(record.headers, 'ce_type')
  return type !== undefined && isOutcomeType(type)
}

/** Which registration an outcome record settled; `undefined` for a record that is no outcome of this relay. */
export function readOutcome(record: WireRecord): (OutcomeSubject & { userId?: string }) | undefined {
  const { value } = record
  if (!isOutcome(record) || value === null) return undefined
  try {
    const { issuer, sessionId, oidcSessionId } = JSON.parse(value.toString('utf8')) as Record<string, unknown>
    if (typeof issuer !== 'string' || typeof sessionId !== 'string') return undefined
    return typeof oidcSessionId === 'string' ? { issuer, sessionId, oidcSessionId } : undefined
  } catch {
    return undefined
  }
}
