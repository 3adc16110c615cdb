import type { TriggerOrigin } from '../events/trigger.ts'
import type { BrokenRegistration, HeldRegistration } from '../registry/registry.ts'
import { foreignAmong, isWrongType } from './foreign-keys.ts'
import type { RedisCommand, RedisConnection } from './redis-connection.ts'
import type { RedisKeys } from './redis-keys.ts'
import { literalPattern, scannedKeys } from './scanned-keys.ts'
import { readMark, readMarks, readSettled } from './session-mark.ts'
import { readSession, unreadableSession } from './stored-registration.ts'
import { sessionsOfUser } from './user-index.ts'
import { wholeHashes } from './whole-hashes.ts'

/** What Redis holds of one session at a moment. */
export interface SessionState {
  readonly issuer: string
  readonly sessionId: string
  readonly registrations: readonly HeldRegistration[]
  /** What stands there and cannot be read as a registration. */
  readonly broken: readonly BrokenRegistration[]
  /** Milliseconds that the registrations have left; `undefined` without any, or without an end. */
  readonly expiresInMs?: number
  /** Set while it is remembered that the session has ended. */
  readonly ended?: {
    /** The trigger that ended it, unless somebody else wrote the tombstone. */
    readonly origin?: TriggerOrigin
    /** Registrations made until then belong to that end. Milliseconds since the epoch; not where any does. */
    readonly untilMs?: number
    readonly expiresInMs: number
    /** The `oidcSessionId`s of registrations that were settled since. */
    readonly settled: readonly string[]
  }
}

/** The last sign-out everywhere of a user that is remembered. */
export interface SignedOut {
  readonly origin: TriggerOrigin
  /** Milliseconds since the epoch. */
  readonly occurredAtMs: number
}

/** Sessions as they stand in Redis, for people who look into them. Only reads; throws when Redis is out of reach. */
export class RedisSessionView {
  readonly #redis: RedisConnection
  readonly #keys: RedisKeys

  constructor(redis: RedisConnection, keys: RedisKeys) {
    this.#redis = redis
    this.#keys = keys
  }

  /** In the order given. A session that Redis does not know has neither registrations nor `ended`. */
  async find(issuer: string, sessionIds: readonly string[]): Promise<SessionState[]> {
    const pairs = sessionIds.map((sessionId): [string, string] => [
      this.#keys.session(issuer, sessionId),
      this.#keys.ended(issuer, sessionId),
    ])
    let foreign = new Map<number, string>()
    let replies: unknown[]
    try {
      replies = await this.#lookAt(pairs)
    } catch (error) {
      if (!isWrongType(error)) throw error
      foreign = await foreignAmong(this.#redis, pairs)
      if (foreign.size === 0) throw error
      const answers = await this.#lookAt(pairs.filter((_, i) => !foreign.has(i)))
      replies = pairs.flatMap((_, i) => (foreign.has(i) ? [[], -2, null, -2] : answers.splice(0, 4)))
    }
    return sessionIds.map((sessionId, i) => {
      const name = { issuer, sessionId }
      if (foreign.has(i)) return { ...name, ...unreadable(name) }
      const [flat, lifeMs, mark, markLifeMs] = replies.slice(4 * i, 4 * i + 4)
      const { registrations, broken } = readSession(flat, issuer, sessionId)
      return {
        ...name,
        registrations,
        broken,
        ...(Number(lifeMs) >= 0 && { expiresInMs: Number(lifeMs) }),
        ...(typeof mark === 'string' && { ended: endedState(mark, Number(markLifeMs)) }),
      }
    })
  }

  /** Registrations, life, tombstone and life of that of each. */
  async #lookAt(pairs: readonly (readonly [string, string])[]): Promise<unknown[]> {
    const hashes = await wholeHashes(
      (commands) => this.#redis.pipeline(commands),
      pairs.map(([session]) => session),
    )
    const rest = await this.#redis.pipeline(
      pairs.flatMap(([session, ended]): RedisCommand[] => [
        ['PTTL', session],
        ['GET', ended],
        ['PTTL', ended],
      ]),
    )
    return hashes.flatMap((hash, i) => [hash, ...rest.slice(3 * i, 3 * i + 3)])
  }

  /** Every session of an issuer that has registrations, in pages and in no order. A session may come twice. */
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

  /** Ids of the user's sessions, in pages; some may be over. */
  sessionsOf(issuer: string, userId: string): AsyncGenerator<string[]> {
    return sessionsOfUser((command) => this.#redis.command(...command), this.#keys.user(issuer, userId))
  }

  async signedOut(issuer: string, userId: string): Promise<SignedOut | undefined> {
    try {
      const line = await this.#redis.command('GET', this.#keys.signedOut(issuer, userId))
      const mark = typeof line === 'string' ? readMark(line, unknownEnding) : undefined
      return mark && { origin: mark.origin, occurredAtMs: mark.occurredAtMs }
    } catch (error) {
      if (isWrongType(error)) return undefined
      throw error
    }
  }
}

/** What an earlier version did not write is not known. */
const unknownEnding = {
  origin: { id: '', topic: '', partition: 0, offset: 0 },
  occurredAtMs: 0,
  untilMs: Number.POSITIVE_INFINITY,
  everywhere: false,
}

function endedState(text: string, expiresInMs: number): NonNullable<SessionState['ended']> {
  const marks = readMarks(text, unknownEnding)
  const [first, last] = [marks[0], marks.at(-1)]
  return {
    ...(first !== undefined && { origin: first.origin }),
    ...(last !== undefined && Number.isFinite(last.untilMs) && { untilMs: last.untilMs }),
    expiresInMs,
    settled: [...readSettled(text).keys()],
  }
}

function unreadable(name: Pick<SessionState, 'issuer' | 'sessionId'>) {
  const { registrations, broken } = unreadableSession(name)
  return { registrations, broken }
}
