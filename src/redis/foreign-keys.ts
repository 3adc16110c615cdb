import { messageOf } from '../lib/errors.ts'
import { TOMBSTONE_BYTES_MAX } from './bounded-reads.ts'
import type { RedisConnection } from './redis-connection.ts'

/** Stands for the reply to a command that met a key of ours which holds something else. */
export const FOREIGN = Symbol('foreign')

const KEYS_MAX = 1_000

/** Keys that were met with something in them that should not be there, until they are looked at and found well. */
export class SuspectKeys {
  readonly #keys = new Set<string>()
  readonly #onNews: () => void

  /** `onNews` is called when a key is noted that was not known before. */
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

/** A command met a key of ours that holds something else: another application writes under the same prefix. */
export function isWrongType(error: unknown): boolean {
  return messageOf(error).includes('WRONGTYPE')
}

/**
 * What Lua, or its reader of JSON, says of a value; Redis 7 names the place of the latter last. Whatever else fails in a
 * script was refused by the server.
 */
const OF_LUA = new RegExp(
  [
    'user_script:\\s?\\d+: (attempt to|bad argument|Expected|too many results|malformed|invalid)',
    '(Expected \\w+ .*|Found too many nested .*|too many results to unpack.*) on @user_script',
    'Lua redis lib command arguments must be',
  ].join('|'),
)

/** A script failed at what it found, not for want of a server that works: the same again would fail again. */
export function isOfData(error: unknown): boolean {
  return isWrongType(error) || OF_LUA.test(messageOf(error))
}

/**
 * Of pairs of a session's key and its tombstone's key, those that hold something else, or a tombstone that is larger than
 * any of the relay's, by index, with what that is. They are noted.
 */
export async function foreignAmong(
  redis: RedisConnection,
  pairs: readonly (readonly [session: string, ended: string])[],
): Promise<Map<number, string>> {
  const types = await redis.pipeline(pairs.flatMap((pair) => pair.map((key) => ['TYPE', key])))
  const sizes = await redis.tolerant(pairs.map(([, ended]) => ['STRLEN', ended]))
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

/** What is wrong with a key and what to do about it. */
export function wrongTypeText(key: string, type: string, wanted: string): string {
  return `the key ${key} in Redis holds a ${type} instead of a ${wanted}; delete or rename it, and find out who writes it`
}

function tooLargeText(key: string, bytes: number): string {
  const most = TOMBSTONE_BYTES_MAX.toLocaleString('en')
  return `the key ${key} in Redis holds ${bytes.toLocaleString('en')} bytes, but the relay reads at most ${most}; delete it, and find out who writes it`
}
