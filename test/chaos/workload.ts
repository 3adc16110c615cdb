import { randomUUID } from 'node:crypto'
import type { Redis } from 'ioredis'
import { type InputRecord, inputRecord } from '../support/input-record.ts'
import type { ExpectedSession, RelyingParty } from '../support/ledger/protocol.ts'

export const ISSUER = 'https://login.chaos.example'
/** A second issuer, where the scenery has one, with relying parties and sessions of its own. */
export const TENANT = 'https://tenant.chaos.example'
/** How much of the load is not the tenant's; it comes first. */
export const WITHOUT_TENANT = 0.8
export const REGISTRATIONS_PER_SESSION = 5
const SESSION_LIFETIME_SECONDS = 3_600
const SESSIONS_PER_PIPELINE = 500

export interface ChaosSession {
  readonly issuer: string
  readonly sessionId: string
  readonly userId: string
  readonly relyingParties: readonly RelyingParty[]
}

/** Sessions of five registrations each, spread evenly over the relying parties. */
export function makeSessions(
  count: number,
  relyingParties: readonly RelyingParty[],
  issuer = ISSUER,
): ChaosSession[] {
  const found = relyingParties.length
  if (found < REGISTRATIONS_PER_SESSION) throw new RangeError(`${found} relying parties are too few`)
  const step = Math.floor(found / REGISTRATIONS_PER_SESSION)
  return Array.from({ length: count }, (_, session) => ({
    issuer,
    sessionId: randomUUID(),
    userId: randomUUID(),
    relyingParties: Array.from(
      { length: REGISTRATIONS_PER_SESSION },
      (_, registration) => relyingParties[(session + registration * step) % found] as RelyingParty,
    ),
  }))
}

/** Sessions of both issuers, those of the tenant last. */
export function makeTenantSessions(count: number, relyingParties: readonly RelyingParty[]): ChaosSession[] {
  const others = Math.round(count * WITHOUT_TENANT)
  return [
    ...makeSessions(others, relyingParties.slice(0, -REGISTRATIONS_PER_SESSION)),
    ...makeSessions(count - others, relyingParties.slice(-REGISTRATIONS_PER_SESSION), TENANT),
  ]
}

/** Writes the registrations as an identity provider would, in the documented layout. */
export async function registerInRedis(
  redis: Redis,
  prefix: string,
  sessions: readonly ChaosSession[],
): Promise<void> {
  for (let start = 0; start < sessions.length; start += SESSIONS_PER_PIPELINE) {
    const pipeline = redis.pipeline()
    for (const session of sessions.slice(start, start + SESSIONS_PER_PIPELINE)) {
      const sessionKey = `${prefix}:session:{${session.issuer}|${session.sessionId}}`
      const userKey = `${prefix}:user:{${session.issuer}|${session.userId}}`
      const fields = registrations(session).map((it) => [it.oidcSessionId, JSON.stringify(it)] as const)
      pipeline.hset(sessionKey, new Map(fields)).expire(sessionKey, SESSION_LIFETIME_SECONDS)
      pipeline.zadd(userKey, Date.now() + 1_000 * SESSION_LIFETIME_SECONDS, session.sessionId)
      pipeline.expire(userKey, SESSION_LIFETIME_SECONDS)
    }
    for (const [error] of (await pipeline.exec()) ?? []) if (error !== null) throw error
  }
}

/** How many registrations of these sessions are in Redis. */
export async function countRegistrations(
  redis: Redis,
  prefix: string,
  sessions: readonly ChaosSession[],
): Promise<number> {
  let count = 0
  for (let start = 0; start < sessions.length; start += SESSIONS_PER_PIPELINE) {
    const pipeline = redis.pipeline()
    for (const { issuer, sessionId } of sessions.slice(start, start + SESSIONS_PER_PIPELINE)) {
      pipeline.hlen(`${prefix}:session:{${issuer}|${sessionId}}`)
    }
    for (const [error, length] of (await pipeline.exec()) ?? []) {
      if (error !== null) throw error
      count += length as number
    }
  }
  return count
}

export function registrationRecords(session: ChaosSession): InputRecord[] {
  return registrations(session).map((it) => inputRecord('backchannel-logout-registered', it))
}

export function triggerRecord({ issuer, sessionId, userId }: ChaosSession): InputRecord {
  return inputRecord('session-terminated', { issuer, sessionId, userId })
}

export function expectedOf(sessions: readonly ChaosSession[]): ExpectedSession[] {
  return sessions.map(({ sessionId, relyingParties }) => ({
    sessionId,
    clientIds: relyingParties.map(({ clientId }) => clientId),
  }))
}

/** ES256, because it is the quickest to sign: what is tried here is not the signing. */
function registrations({ issuer, sessionId, userId, relyingParties }: ChaosSession) {
  return relyingParties.map(({ clientId, backchannelLogoutUri, origin }) => ({
    issuer,
    sessionId,
    oidcSessionId: `${sessionId}.${origin}`,
    clientId,
    userId,
    backchannelLogoutUri,
    alg: 'ES256',
    registeredAt: new Date().toISOString(),
  }))
}
