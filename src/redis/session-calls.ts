import { messageOf, RelayFault } from '../lib/errors.ts'
import type { EpochGuard } from '../registry/epoch-guard.ts'
import type { RegistrationKey } from '../registry/registry.ts'
import { findForeign, isDataError, isWrongType } from './foreign-keys.ts'
import type { RedisCommand, RedisConnection } from './redis-connection.ts'
import type { RedisKeys } from './redis-keys.ts'

export type SessionName = Pick<RegistrationKey, 'issuer' | 'sessionId'>

/** A script blocks Redis. So many sessions take less than a millisecond. */
export const SCRIPT_SESSIONS_MAX = 128
/** Registrations per call. Lua passes at most a few thousand values to a command. */
export const SCRIPT_WEIGHT_MAX = 1_000

/** Commands for many sessions: split into parts, refused when the registry is lost, isolated from each other's failures. */
export class SessionCalls {
  readonly #redis: RedisConnection
  readonly #keys: RedisKeys
  readonly #guard: EpochGuard | undefined

  constructor(redis: RedisConnection, keys: RedisKeys, guard: EpochGuard | undefined) {
    this.#redis = redis
    this.#keys = keys
    this.#guard = guard
  }

  /**
   * Runs a step for many sessions. A session with foreign data, or data that fails a script, is left out and answered by
   * `answerForeign`, so that it does not block the others.
   */
  async runSkippingForeign<T, R>(
    items: readonly T[],
    sessionOf: (item: T) => SessionName,
    run: (items: readonly T[]) => Promise<R[]>,
    answerForeign: (item: T, reason: string) => R = () => undefined as R,
  ): Promise<R[]> {
    try {
      return await run(items)
    } catch (error) {
      if (!isDataError(error)) throw error
      const foreign = await this.#foreignOf(items.map(sessionOf), error)
      const sound = items.filter((_, i) => !foreign.has(i))
      const answers =
        foreign.size > 0 || sound.length < 2
          ? await this.runSkippingForeign(sound, sessionOf, run, answerForeign)
          : [
              ...(await this.runSkippingForeign(
                sound.slice(0, sound.length / 2),
                sessionOf,
                run,
                answerForeign,
              )),
              ...(await this.runSkippingForeign(
                sound.slice(sound.length / 2),
                sessionOf,
                run,
                answerForeign,
              )),
            ]
      let at = 0
      return items.map((item, i) => {
        const reason = foreign.get(i)
        return reason === undefined ? (answers[at++] as R) : answerForeign(item, reason)
      })
    }
  }

  /** The reason for each session that cannot be processed, by index. For several sessions only those with a foreign key. */
  async #foreignOf(sessions: readonly SessionName[], error: unknown): Promise<Map<number, string>> {
    const foreign = await findForeign(
      this.#redis,
      sessions.map((session) => this.keysOf(session)),
    )
    if (foreign.size > 0) return foreign
    // Then a key that all of them use is foreign.
    if (isWrongType(error)) throw error
    return sessions.length > 1 ? new Map() : new Map([[0, `Redis refuses it: ${messageOf(error)}`]])
  }

  /** Calls a script for many sessions; resolves with the answer for each, in order. */
  async evalGuarded<T>(sessions: readonly T[], call: (part: T[]) => RedisCommand): Promise<unknown[]> {
    return (await this.pipelineGuarded(inParts(sessions, call))).flat()
  }

  /** The replies, provided that the store still held the registry after the last of them. */
  async pipelineGuarded(
    commands: readonly RedisCommand[],
    send: 'pipeline' | 'tolerantPipeline' = 'pipeline',
  ): Promise<unknown[]> {
    if (this.#guard === undefined || commands.length === 0) return this.#redis[send](commands)
    const { runId } = this.#redis
    const replies = await this.#redis[send]([...commands, ['HGET', this.#keys.epoch(), 'id']])
    if (this.#guard.accepts(replies.pop(), runId)) return replies
    throw new RelayFault('LR_REGISTRY_LOST', 'Redis has lost the registry')
  }

  keysOf({ issuer, sessionId }: SessionName): [string, string] {
    return [this.#keys.session(issuer, sessionId), this.#keys.ended(issuer, sessionId)]
  }
}

/** A script call for each part. `weightOf`: the number of registrations of a session, if known. */
export function inParts<T>(
  sessions: readonly T[],
  call: (part: T[]) => RedisCommand,
  weightOf: (session: T) => number = () => 1,
): RedisCommand[] {
  const calls: RedisCommand[] = []
  let part: T[] = []
  let weight = 0
  for (const session of sessions) {
    const more = weightOf(session)
    if (part.length >= SCRIPT_SESSIONS_MAX || (part.length > 0 && weight + more > SCRIPT_WEIGHT_MAX)) {
      calls.push(call(part))
      part = []
      weight = 0
    }
    part.push(session)
    weight += more
  }
  if (part.length > 0) calls.push(call(part))
  return calls
}
