import { randomBytes, randomUUID } from 'node:crypto'
import type { Redis } from 'ioredis'
import type { Message } from 'kafkajs'
import type { ExpectedSession, RelyingParty } from '../support/ledger/protocol.ts'
import type { BenchAlgorithm } from './signing-keys.ts'

export const ISSUER = 'https://login.bench.example'
export const REGISTRATIONS_PER_SESSION = 5
const REGISTRATION_TTL_SECONDS = 3_600
const SESSIONS_PER_PIPELINE = 500

export interface BenchSession {
  readonly sessionId: string
  readonly userId: string
  readonly relyingParties: readonly RelyingParty[]
}

/** Sessions of five registrations each, spread evenly over the relying parties. */
export function makeSessions(count: number, relyingParties: readonly RelyingParty[]): BenchSession[] {
  // Four steps stay within one round, so the five are different ones.
  const step = Math.floor(relyingParties.length / REGISTRATIONS_PER_SESSION) + 1
  return Array.from({ length: count }, (_, session) => ({
    sessionId: randomUUID(),
    userId: randomUUID(),
    relyingParties: Array.from({ length: REGISTRATIONS_PER_SESSION }, (_, registration) => {
      const relyingParty = relyingParties[(session + registration * step) % relyingParties.length]
      if (relyingParty === undefined) throw new Error('a workload needs relying parties')
      return relyingParty
    }),
  }))
}

/** Writes the registrations as an identity provider would, in the documented layout. */
export async function seedRegistrations(
  redis: Redis,
  prefix: string,
  sessions: readonly BenchSession[],
  alg: BenchAlgorithm,
): Promise<void> {
  for (let start = 0; start < sessions.length; start += SESSIONS_PER_PIPELINE) {
    const pipeline = redis.pipeline()
    for (const session of sessions.slice(start, start + SESSIONS_PER_PIPELINE)) {
      const sessionKey = `${prefix}:session:{${ISSUER}|${session.sessionId}}`
      const userKey = `${prefix}:user:{${ISSUER}|${session.userId}}`
      pipeline.hset(sessionKey, registrations(session, alg)).expire(sessionKey, REGISTRATION_TTL_SECONDS)
      pipeline.sadd(userKey, session.sessionId).expire(userKey, REGISTRATION_TTL_SECONDS)
    }
    for (const [error] of (await pipeline.exec()) ?? []) if (error !== null) throw error
  }
}

export function trigger({ sessionId, userId }: BenchSession): Message {
  return {
    key: sessionId,
    value: JSON.stringify({ issuer: ISSUER, sessionId, userId }),
    headers: {
      ce_specversion: '1.0',
      ce_id: randomUUID(),
      ce_source: `${ISSUER}/sessions`,
      ce_type: 'session-terminated',
      'content-type': 'application/json',
    },
  }
}

export function expected(sessions: readonly BenchSession[]): ExpectedSession[] {
  return sessions.map(({ sessionId, relyingParties }) => ({
    sessionId,
    clientIds: relyingParties.map(({ clientId }) => clientId),
  }))
}

function registrations(
  { sessionId, userId, relyingParties }: BenchSession,
  alg: BenchAlgorithm,
): Map<string, string> {
  return new Map(
    relyingParties.map(({ clientId, backchannelLogoutUri }) => {
      const oidcSessionId = randomBytes(18).toString('base64url')
      const registration = {
        issuer: ISSUER,
        sessionId,
        oidcSessionId,
        clientId,
        userId,
        sub: userId,
        sid: sessionId,
        backchannelLogoutUri,
        sessionRequired: true,
        alg,
        registeredAt: new Date().toISOString(),
      }
      return [oidcSessionId, JSON.stringify(registration)]
    }),
  )
}
