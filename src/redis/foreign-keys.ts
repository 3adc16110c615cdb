import { messageOf } from '../lib/errors.ts'
import { TOMBSTONE_BYTES_MAX } from './bounded-reads.ts'
import type { RedisConnection } from './redis-connection.ts'

/** The reply to a command on a relay key that holds foreign data. */
export const FOREIGN = Symbol('foreign')

const KEYS_MAX = 1_000

/** Keys that were found to hold wrong data, until a check finds them sound. */
export class SuspectKeys {
  readonly #keys = new Set<string>()
  readonly #onNews: () => void

  /** `onNews` is called when an unknown key is noted. */
  constructor(onNews: () => void = () => undefined) {
    this.#onNews = onNews
  }

  note(...keys: readonly string[]): void {
    const before = this.#keys.size
    for (const key of keys) if (this.#keys.size < KEYS_MAX) this.#keys.add(key)
    if (this.#keys.size > before) this.#onNews()
  }

  forget(key: string): void {
    this.#keys.delete(key)
  }

  [Symbol.iterator](): Iterator<string> {
    return this.#keys.values()
  }
}

/** The command met a relay key of another type: another application writes under the same prefix. */
export function isWrongType(error: unknown): boolean {
  return messageOf(error).includes('WRONGTYPE')
}

/**
 * Errors of Lua or its JSON reader about a value. Redis 7 appends the position. All other script errors are refusals of the
 * server.
 */
const LUA_DATA_ERROR = new RegExp(
  [
    'user_script:\\s?\\d+: (attempt to|bad argument|Expected|too many results|malformed|invalid)',
    '(Expected \\w+ .*|Found too many nested .*|too many results to unpack.*) on @user_script',
    'Lua redis lib command arguments must be',
  ].join('|'),
)

/** A script failed because of the data, not because of the server. A repetition would fail again. */
export function isDataError(error: unknown): boolean {
  return isWrongType(error) || LUA_DATA_ERROR.test(messageOf(error))
}

/**
 * Finds the pairs of session key and tombstone key that hold foreign data or an oversize tombstone. Returns the reason by
 * index, and notes the keys as suspect.
 */
export async function findForeign(
  redis: RedisConnection,
  pairs: readonly (readonly [session: string, ended: string])[],
): Promise<Map<number, string>> {
  const types = await redis.pipeline(pairs.flatMap((pair) => pair.map((key) => ['TYPE', key])))
  const sizes = await redis.tolerantPipeline(pairs.map(([, ended]) => ['STRLEN', ended]))
  const foreign = new Map<number, string>()
  const note = (i: number, key: string, reason: string): void => {
    redis.suspects.note(key)
    foreign.set(i, reason)
  }
  for (const [i, keys] of pairs.entries()) {
    for (const [at, wanted] of ['hash', 'string'].entries()) {
      const [key, type] = [keys[at] as string, types[2 * i + at]]
      if (type !== wanted && type !== 'none') note(i, key, wrongTypeText(key, String(type), wanted))
    }
    const [, ended] = keys
    const bytes = sizes[i]
    if (bytes !== FOREIGN && Number(bytes) > TOMBSTONE_BYTES_MAX)
      note(i, ended, tooLargeText(ended, Number(bytes)))
  }
  return foreign
}

/** What is wrong with a key, and the remedy. */
export function wrongTypeText(key: string, type: string, wanted: string): string {
  return `the key ${key} in Redis holds a ${type} instead of a ${wanted}; delete or rename it, and find out who writes it`
}

function tooLargeText(key: string, bytes: number): string {
  const most = TOMBSTONE_BYTES_MAX.toLocaleString('en')
  return `the key ${key} in Redis holds ${bytes.toLocaleString('en')} bytes, but the relay reads at most ${most}; delete it, and find out who writes it`
}
