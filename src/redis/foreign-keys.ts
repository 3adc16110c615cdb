import { messageOf } from '../errors.ts'
import type { RedisConnection } from './redis-connection.ts'

/** A command met a key of ours that holds something else: another application writes under the same prefix. */
export function isWrongType(error: unknown): boolean {
  return messageOf(error).includes('WRONGTYPE')
}

/** Of pairs of a session's key and its tombstone's key, the indices of those that hold something else. */
export async function foreignAmong(
  redis: RedisConnection,
  pairs: readonly (readonly [session: string, ended: string])[],
): Promise<Set<number>> {
  const types = await redis.pipeline(pairs.flatMap((pair) => pair.map((key) => ['TYPE', key])))
  const fits = (type: unknown, wanted: string) => type === wanted || type === 'none'
  const foreign = pairs.flatMap((_, i) =>
    fits(types[2 * i], 'hash') && fits(types[2 * i + 1], 'string') ? [] : [i],
  )
  return new Set(foreign)
}
