import type { SettledByLog } from '../events/outcome.ts'
import { endingOfOutcome } from '../registry/ending.ts'
import type { RegistrationKey, Registry } from '../registry/registry.ts'
import type { RedisCommand, RedisConnection, RedisScript } from './redis-connection.ts'
import type { RedisKeys } from './redis-keys.ts'
import { evalScript } from './redis-script.ts'
import {
  forgetScript,
  leaveIndexScript,
  livesScript,
  lowerInIndexScript,
  notePendingScript,
  raiseInIndexScript,
  settleScript,
} from './registry-scripts.ts'
import { inParts, type SessionCalls, type SessionName } from './session-calls.ts'
import { readSettled, writeMark } from './session-mark.ts'

export interface RedisEndingsOptions {
  readonly redis: RedisConnection
  readonly keys: RedisKeys
  readonly calls: SessionCalls
  /** How long it is remembered that a session ended. Milliseconds. */
  readonly tombstoneMs: number
}

/** Longer than a round trip, shorter than any session lives. */
const LEAVING_MS = 10_000

/** Registrations of one session. */
interface OfSession<K extends RegistrationKey = RegistrationKey> {
  readonly first: K
  readonly keys: K[]
}

const firstOf = ({ first }: OfSession): SessionName => first

/** How registrations end in Redis: their outcome is decided, or settled, or the log says that it was. */
export class RedisEndings implements Pick<Registry, 'notePending' | 'settle' | 'forget' | 'areSettled'> {
  readonly #redis: RedisConnection
  readonly #keys: RedisKeys
  readonly #calls: SessionCalls
  readonly #tombstoneMs: number

  constructor({ redis, keys, calls, tombstoneMs }: RedisEndingsOptions) {
    this.#redis = redis
    this.#keys = keys
    this.#calls = calls
    this.#tombstoneMs = tombstoneMs
    redis.register(notePendingScript, settleScript, forgetScript)
    redis.register(lowerInIndexScript, livesScript, leaveIndexScript, raiseInIndexScript)
  }

  notePending(decided: Parameters<Registry['notePending']>[0]): Promise<void> {
    return this.#perSession(decided, async (sessions) => {
      await this.#redis.pipeline(
        inParts(sessions, (part) =>
          evalScript(
            notePendingScript,
            this.#keysOf(part),
            part.flatMap(({ keys }) => [
              keys.length,
              ...keys.flatMap((key) => [...dated(key), JSON.stringify(key.pendingOutcome)]),
            ]),
          ),
        ),
      )
    })
  }

  settle(settled: readonly RegistrationKey[]): Promise<void> {
    return this.#perSession(settled, async (sessions) => {
      const answers = await this.#redis.pipeline(
        inParts(sessions, (part) => evalScript(settleScript, this.#keysOf(part), settledArgs(part))),
      )
      const left = answers.flat()
      const emptied = sessions.filter(({ first }, k) => left[k] === 0 && first.userId !== undefined)
      if (emptied.length > 0) await this.#leaveIndexes(emptied)
    })
  }

  /**
   * An ended session without registrations needs no place among its user's sessions any more. A login under the same id
   * may come at any moment of this, and must keep its place: it makes the end of the session's life later again, and what
   * was made earlier before it came is found by the look at the session.
   */
  async #leaveIndexes(emptied: readonly OfSession[]): Promise<void> {
    const soonMs = Date.now() + LEAVING_MS
    const indexesOf = (part: readonly OfSession[]): string[] =>
      part.map(({ first }) => this.#keys.user(first.issuer, first.userId as string))
    const calls = (script: RedisScript, sessions: readonly OfSession[]): RedisCommand[] =>
      inParts(sessions, (part) =>
        evalScript(script, indexesOf(part), [soonMs, ...part.map(({ first }) => first.sessionId)]),
      )
    const looks = inParts(emptied, (part) =>
      evalScript(
        livesScript,
        part.map(({ first }) => this.#keys.session(first.issuer, first.sessionId)),
        [],
      ),
    )
    const replies = await this.#redis.pipeline([...calls(lowerInIndexScript, emptied), ...looks])
    const lives = replies.slice(-looks.length).flat() as number[]
    const alive = emptied.flatMap((it, i) => {
      const ms = lives[i] as number
      return ms === -2 ? [] : [{ ...it, endsAt: ms === -1 ? 'inf' : Date.now() + ms }]
    })
    await this.#redis.pipeline([
      ...calls(
        leaveIndexScript,
        emptied.filter((_, i) => lives[i] === -2),
      ),
      ...inParts(alive, (part) =>
        evalScript(
          raiseInIndexScript,
          indexesOf(part),
          part.flatMap(({ first, endsAt }) => [first.sessionId, endsAt]),
        ),
      ),
    ])
  }

  forget(settled: readonly SettledByLog[]): Promise<void> {
    // What an old outcome settled was on the log before it; of what is younger the record may still come, or come again.
    const recentMs = Date.now() - this.#tombstoneMs
    return this.#perSession(settled, async (sessions) => {
      await this.#redis.pipeline(
        inParts(sessions, (part) =>
          evalScript(forgetScript, this.#keysOf(part), [
            this.#tombstoneMs,
            ...part.flatMap(({ keys }) => [
              markOf(keys),
              keys.length,
              ...keys.flatMap((key) => [...dated(key), key.recordedAtMs > recentMs ? 1 : 0]),
            ]),
          ]),
        ),
      )
    })
  }

  async areSettled(keys: readonly RegistrationKey[]): Promise<boolean[]> {
    const tombstones = await this.#calls.checked(
      keys.map(({ issuer, sessionId }) => ['GET', this.#keys.ended(issuer, sessionId)]),
    )
    return keys.map(({ oidcSessionId, registeredAtMs = 0 }, i) => {
      const tombstone = tombstones[i]
      if (typeof tombstone !== 'string') return false
      return (readSettled(tombstone).get(oidcSessionId) ?? Number.NEGATIVE_INFINITY) >= registeredAtMs
    })
  }

  async #perSession<K extends RegistrationKey>(
    keys: readonly K[],
    run: (sessions: readonly OfSession<K>[]) => Promise<void>,
  ): Promise<void> {
    await this.#calls.skippingForeign(bySession(keys), firstOf, async (sessions) => {
      await run(sessions)
      return []
    })
  }

  #keysOf(sessions: readonly OfSession[]): string[] {
    return sessions.flatMap(({ first }) => this.#calls.keysOf(first))
  }
}

/** For each session how many, and id and date of each: in one list, because every delivery comes through here. */
function settledArgs(sessions: readonly OfSession[]): (string | number)[] {
  const args: (string | number)[] = []
  for (const { keys } of sessions) {
    args.push(keys.length)
    for (const { oidcSessionId, registeredAtMs } of keys) args.push(oidcSessionId, registeredAtMs ?? '')
  }
  return args
}

/** As the scripts take it. */
function dated({ oidcSessionId, registeredAtMs }: RegistrationKey): (string | number)[] {
  return [oidcSessionId, registeredAtMs ?? '']
}

/** The mark for a session of which only its outcomes tell: as the first of them does that names its trigger. */
function markOf(settled: readonly SettledByLog[]): string {
  for (const outcome of settled) {
    const ending = endingOfOutcome(outcome)
    if (ending !== undefined) return writeMark(ending)
  }
  return ''
}

/** One entry per session, whatever number of its registrations is meant. */
function bySession<K extends RegistrationKey>(keys: readonly K[]): OfSession<K>[] {
  const sessions = new Map<string, OfSession<K>>()
  for (const key of keys) {
    const name = `${key.issuer}\n${key.sessionId}`
    const session = sessions.get(name)
    if (session === undefined) sessions.set(name, { first: key, keys: [key] })
    else session.keys.push(key)
  }
  return [...sessions.values()]
}
