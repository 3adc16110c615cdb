import type { TriggerOrigin } from '../events/trigger.ts'
import type { BrokenRegistration, HeldRegistration } from '../registry/registry.ts'
import { MARK_BYTES_MAX, scanMembersScript } from './bounded-reads.ts'
import { findForeign, isWrongType } from './foreign-keys.ts'
import type { RedisCommand, RedisConnection } from './redis-connection.ts'
import type { RedisKeys } from './redis-keys.ts'
import { literalPattern, scannedKeys } from './scanned-keys.ts'
import type { SessionName } from './session-calls.ts'
import { readMark, readMarks, readSettled } from './session-mark.ts'
import { type StoredSession, unreadableSession } from './stored-registration.ts'
import { sessionsOfUser } from './user-index.ts'
import { wholeSessions, wholeSessionsScripts } from './whole-sessions.ts'

/** A snapshot of one session in Redis. */
export interface SessionState {
  readonly issuer: string
  readonly sessionId: string
  readonly registrations: readonly HeldRegistration[]
  /** Fields that are not valid registrations. */
  readonly broken: readonly BrokenRegistration[]
  /** Remaining TTL of the registrations; `undefined` without registrations or without a TTL. */
  readonly expiresInMs?: number
  /** Set while the end of the session is remembered. */
  readonly ended?: {
    /** The trigger that ended it; missing for a foreign tombstone. */
    readonly origin?: TriggerOrigin
    /** The ending covers registrations made up to then. Milliseconds since the epoch; missing if it covers all. */
    readonly untilMs?: number
    readonly expiresInMs: number
    /** The `oidcSessionId`s of settled registrations; of very many only the first. */
    readonly settled: readonly string[]
    /** There are more settled registrations. */
    readonly isCut?: true
  }
}

/** The last remembered sign-out everywhere of a user. */
export interface SignedOut {
  readonly origin: TriggerOrigin
  /** Milliseconds since the epoch. */
  readonly occurredAtMs: number
}

/** Read of a tombstone. Hundreds of sessions are read together. */
const TOMBSTONE_BYTES_READ = 262_144
const SESSIONS_AT_ONCE = 64

/** Shows sessions in Redis to people. Read-only; throws when Redis is out of reach. */
export class RedisSessionView {
  readonly #redis: RedisConnection
  readonly #keys: RedisKeys

  constructor(redis: RedisConnection, keys: RedisKeys) {
    this.#redis = redis
    this.#keys = keys
    redis.register(scanMembersScript, ...wholeSessionsScripts)
  }

  /** In the given order. An unknown session has neither registrations nor `ended`. */
  async find(issuer: string, sessionIds: readonly string[]): Promise<SessionState[]> {
    const states: SessionState[] = []
    for (let from = 0; from < sessionIds.length; from += SESSIONS_AT_ONCE)
      states.push(...(await this.#findPart(issuer, sessionIds.slice(from, from + SESSIONS_AT_ONCE))))
    return states
  }

  async #findPart(issuer: string, sessionIds: readonly string[]): Promise<SessionState[]> {
    const pairs = sessionIds.map((sessionId): [string, string] => [
      this.#keys.session(issuer, sessionId),
      this.#keys.ended(issuer, sessionId),
    ])
    let foreign = new Map<number, string>()
    const sessions = sessionIds.map((sessionId) => ({ issuer, sessionId }))
    let replies: unknown[]
    try {
      replies = await this.#lookAt(sessions)
    } catch (error) {
      if (!isWrongType(error)) throw error
      foreign = await findForeign(this.#redis, pairs)
      if (foreign.size === 0) throw error
      const answers = await this.#lookAt(sessions.filter((_, i) => !foreign.has(i)))
      replies = pairs.flatMap((_, i) => (foreign.has(i) ? [undefined, -2, 0, '', -2] : answers.splice(0, 5)))
    }
    return sessionIds.map((sessionId, i) => {
      const name = { issuer, sessionId }
      if (foreign.has(i)) return { ...name, ...unreadable(name) }
      const [stored, lifeMs, isEnded, mark, markLifeMs] = replies.slice(5 * i, 5 * i + 5)
      const { registrations, broken } = stored as StoredSession
      return {
        ...name,
        registrations,
        broken,
        ...(Number(lifeMs) >= 0 && { expiresInMs: Number(lifeMs) }),
        ...(isEnded === 1 && { ended: endedState(String(mark), Number(markLifeMs)) }),
      }
    })
  }

  /** Five items per session: registrations, their TTL, whether a tombstone exists, the tombstone, its TTL. */
  async #lookAt(sessions: readonly SessionName[]): Promise<unknown[]> {
    const keyed = sessions.map((it) => ({ ...it, key: this.#keys.session(it.issuer, it.sessionId) }))
    const stored = await wholeSessions((commands) => this.#redis.pipeline(commands), keyed)
    const rest = await this.#redis.pipeline(
      keyed.flatMap(({ issuer, key, sessionId }): RedisCommand[] => {
        const ended = this.#keys.ended(issuer, sessionId)
        return [
          ['PTTL', key],
          ['EXISTS', ended],
          ['GETRANGE', ended, 0, TOMBSTONE_BYTES_READ - 1],
          ['PTTL', ended],
        ]
      }),
    )
    return stored.flatMap((it, i) => [it, ...rest.slice(4 * i, 4 * i + 4)])
  }

  /** Every session of an issuer that has registrations, in pages and unordered. A session may come twice. */
  async *all(issuer: string): AsyncGenerator<SessionState[]> {
    const [before, after] = this.#keys.session(issuer, '\n').split('\n') as [string, string]
    const pattern = `${literalPattern(before)}*${literalPattern(after)}`
    for await (const keys of scannedKeys(this.#redis, pattern)) {
      yield await this.find(
        issuer,
        keys.map((key) => key.slice(before.length, -after.length)),
      )
    }
  }

  /** Ids of the user's sessions in pages. Some sessions may be over. */
  sessionsOf(issuer: string, userId: string): AsyncGenerator<string[]> {
    return sessionsOfUser((command) => this.#redis.command(...command), this.#keys.user(issuer, userId))
  }

  async signedOut(issuer: string, userId: string): Promise<SignedOut | undefined> {
    try {
      const key = this.#keys.signedOut(issuer, userId)
      const mark = readMark(
        String(await this.#redis.command('GETRANGE', key, 0, MARK_BYTES_MAX - 1)),
        unknownEnding,
      )
      return mark && { origin: mark.origin, occurredAtMs: mark.occurredAtMs }
    } catch (error) {
      if (isWrongType(error)) return undefined
      throw error
    }
  }
}

/** Stands for what an earlier version did not write. */
const unknownEnding = {
  origin: { id: '', topic: '', partition: 0, offset: 0 },
  occurredAtMs: 0,
  untilMs: Number.POSITIVE_INFINITY,
  everywhere: false,
}

function endedState(text: string, expiresInMs: number): NonNullable<SessionState['ended']> {
  const isCut = Buffer.byteLength(text) >= TOMBSTONE_BYTES_READ
  const whole = isCut ? text.slice(0, Math.max(text.lastIndexOf('\n'), 0)) : text
  const marks = readMarks(whole, unknownEnding)
  const [first, last] = [marks[0], marks.at(-1)]
  return {
    ...(first !== undefined && { origin: first.origin }),
    ...(last !== undefined && Number.isFinite(last.untilMs) && { untilMs: last.untilMs }),
    expiresInMs,
    settled: [...readSettled(whole).keys()],
    ...(isCut && { isCut }),
  }
}

function unreadable(name: Pick<SessionState, 'issuer' | 'sessionId'>) {
  const { registrations, broken } = unreadableSession(name)
  return { registrations, broken }
}
