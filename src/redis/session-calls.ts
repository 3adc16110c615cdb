import { RelayFault } from '../errors.ts'
import type { EpochGuard } from '../registry/epoch-guard.ts'
import type { RegistrationKey } from '../registry/registry.ts'
import { foreignAmong, isWrongType } from './foreign-keys.ts'
import type { RedisCommand, RedisConnection } from './redis-connection.ts'
import type { RedisKeys } from './redis-keys.ts'

export type SessionName = Pick<RegistrationKey, 'issuer' | 'sessionId'>

/** Redis does nothing else while a script runs; that many take less than a millisecond. */
const SCRIPT_SESSIONS_MAX = 128

/** Commands about many sessions at once: in parts, refused when the registry is lost, and none held up by another. */
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
   * Runs a step for many sessions. One whose keys hold something else must not hold up the others: it is left out, and
   * answered apart.
   */
  async skippingForeign<T, R>(
    items: readonly T[],
    sessionOf: (item: T) => SessionName,
    run: (items: readonly T[]) => Promise<R[]>,
    answerForeign: (item: T) => R = () => undefined as R,
  ): Promise<R[]> {
    try {
      return await run(items)
    } catch (error) {
      if (!isWrongType(error)) throw error
      const foreign = await foreignAmong(
        this.#redis,
        items.map((item) => this.keysOf(sessionOf(item))),
      )
      if (foreign.size === 0) throw error
      const answers = await run(items.filter((_, i) => !foreign.has(i)))
      return items.map((item, i) => (foreign.has(i) ? answerForeign(item) : (answers.shift() as R)))
    }
  }

  /** A script call for many sessions at once; resolves with its answer for each, in order. */
  async guarded<T>(sessions: readonly T[], call: (part: T[]) => RedisCommand): Promise<unknown[]> {
    return (await this.checked(inParts(sessions, call))).flat()
  }

  /** The replies, if the store still held the registry after the last of them. */
  async checked(commands: readonly RedisCommand[]): Promise<unknown[]> {
    if (this.#guard === undefined || commands.length === 0) return this.#redis.pipeline(commands)
    const { runId } = this.#redis
    const replies = await this.#redis.pipeline([...commands, ['HGET', this.#keys.epoch(), 'id']])
    if (this.#guard.accepts(replies.pop(), runId)) return replies
    throw new RelayFault('LR_REGISTRY_LOST', 'Redis has lost the registry')
  }

  keysOf({ issuer, sessionId }: SessionName): [string, string] {
    return [this.#keys.session(issuer, sessionId), this.#keys.ended(issuer, sessionId)]
  }
}

/** A script call for each part. */
export function inParts<T>(sessions: readonly T[], call: (part: T[]) => RedisCommand): RedisCommand[] {
  const calls: RedisCommand[] = []
  for (let i = 0; i < sessions.length; i += SCRIPT_SESSIONS_MAX)
    calls.push(call(sessions.slice(i, i + SCRIPT_SESSIONS_MAX)))
  return calls
}
