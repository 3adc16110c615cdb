import { randomBytes, randomUUID } from 'node:crypto'
import type { Redis } from 'ioredis'
import type { Message } from 'kafkajs'
import type { ExpectedSession, RelyingParty } from '../support/ledger/protocol.ts'
import type { BenchAlgorithm } from './signing-keys.ts'

export const ISSUER = 'https://login.bench.example'
export const REGISTRATIONS_PER_SESSION = 5
/** Longer than any stage: a registration that runs out in the middle would look like a lost delivery. */
const REGISTRATION_TTL_SECONDS = 4 * 3_600
const SESSIONS_PER_PIPELINE = 500

export interface BenchSession {
  readonly issuer: string
  readonly sessionId: string
  readonly userId: string
  readonly relyingParties: readonly RelyingParty[]
}

/** Sessions of five registrations each, or of another number, spread evenly over the relying parties. */
export function makeSessions(
  count: number,
  relyingParties: readonly RelyingParty[],
  registrationsPerSession = REGISTRATIONS_PER_SESSION,
  issuer = ISSUER,
): BenchSession[] {
  if (relyingParties.length < registrationsPerSession)
    throw new Error(`${registrationsPerSession} registrations per session need as many relying parties`)
  // The steps of a session stay within one round, so its relying parties are different ones.
  const longest = Math.floor((relyingParties.length - 1) / Math.max(registrationsPerSession - 1, 1))
  const step = Math.min(Math.floor(relyingParties.length / registrationsPerSession) + 1, longest)
  return Array.from({ length: count }, (_, session) => ({
    issuer,
    sessionId: randomUUID(),
    userId: randomUUID(),
    relyingParties: Array.from({ length: registrationsPerSession }, (_, registration) => {
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
  registeredAtMs = Date.now(),
): Promise<void> {
  for (let start = 0; start < sessions.length; start += SESSIONS_PER_PIPELINE) {
    const pipeline = redis.pipeline()
    for (const session of sessions.slice(start, start + SESSIONS_PER_PIPELINE)) {
      const sessionKey = `${prefix}:session:{${session.issuer}|${session.sessionId}}`
      const userKey = `${prefix}:user:{${session.issuer}|${session.userId}}`
      pipeline
        .hset(sessionKey, registrationFields(session, alg, registeredAtMs))
        .expire(sessionKey, REGISTRATION_TTL_SECONDS)
      pipeline.zadd(userKey, Date.now() + 1_000 * REGISTRATION_TTL_SECONDS, session.sessionId)
      pipeline.expire(userKey, REGISTRATION_TTL_SECONDS)
    }
    for (const [error] of (await pipeline.exec()) ?? []) if (error !== null) throw error
  }
}

export function trigger({ issuer, sessionId, userId }: Omit<BenchSession, 'relyingParties'>): Message {
  return cloudEvent('session-terminated', sessionId, { issuer, sessionId, userId })
}

/** As a listener of Keycloak writes it. */
function keycloakEvent({ sessionId, userId }: Omit<BenchSession, 'relyingParties'>): Message {
  const event = {
    ...{ id: randomUUID(), time: Date.now(), type: 'LOGOUT', realmId: '3fa1c0de', realmName: 'bench' },
    ...{ clientId: null, userId, sessionId, ipAddress: '192.0.2.1', error: null },
    details: { redirect_uri: 'https://shop.example.com/' },
  }
  return { key: sessionId, value: JSON.stringify(event) }
}

/** How triggers are written, and the mapping file that reads them. */
export const triggerIn = {
  native: { message: trigger, mapping: undefined },
  keycloak: {
    message: keycloakEvent,
    mapping: JSON.stringify({ mappings: [{ topics: ['*'], preset: 'keycloak', issuer: ISSUER }] }),
  },
} as const
export type BenchFormat = keyof typeof triggerIn

/** A CloudEvent in binary mode, as the documented records are. */
export function cloudEvent(type: string, sessionId: string, data: object): Message {
  return {
    key: sessionId,
    value: JSON.stringify(data),
    headers: {
      ce_specversion: '1.0',
      ce_id: randomUUID(),
      ce_source: `${ISSUER}/sessions`,
      ce_type: type,
      'content-type': 'application/json',
    },
  }
}

/** How many deliveries these sessions are owed. */
export function deliveriesOf(sessions: readonly BenchSession[]): number {
  return sessions.reduce((sum, { relyingParties }) => sum + relyingParties.length, 0)
}

export function expected(sessions: readonly BenchSession[]): ExpectedSession[] {
  return sessions.map(({ sessionId, relyingParties }) => ({
    sessionId,
    clientIds: relyingParties.map(({ clientId }) => clientId),
  }))
}

/** What an identity provider writes of one login at one relying party, in Redis or on the topic. */
export interface BenchRegistration {
  readonly oidcSessionId: string
  readonly [field: string]: unknown
}

export function makeRegistrations(
  { issuer, sessionId, userId, relyingParties }: BenchSession,
  alg: BenchAlgorithm,
  registeredAtMs = Date.now(),
): BenchRegistration[] {
  const registeredAt = new Date(registeredAtMs).toISOString()
  return relyingParties.map(({ clientId, backchannelLogoutUri }) => ({
    issuer,
    sessionId,
    oidcSessionId: randomBytes(18).toString('base64url'),
    clientId,
    userId,
    sub: userId,
    sid: sessionId,
    backchannelLogoutUri,
    sessionRequired: true,
    alg,
    registeredAt,
  }))
}

function registrationFields(
  session: BenchSession,
  alg: BenchAlgorithm,
  registeredAtMs: number,
): Map<string, string> {
  return new Map(
    makeRegistrations(session, alg, registeredAtMs).map((it) => [it.oidcSessionId, JSON.stringify(it)]),
  )
}
