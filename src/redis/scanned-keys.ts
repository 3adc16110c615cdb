import { PARKED_BYTES_MAX, scanMembersScript } from './bounded-reads.ts'
import type { RedisConnection } from './redis-connection.ts'
import { evalScript } from './redis-script.ts'

/** Redis blocks while it scans so many. */
const COUNT = 1_000

/** Escapes text for a Redis pattern. */
export function literalPattern(text: string): string {
  return text.replaceAll(/[\\*?[\]]/g, '\\$&')
}

/** Matching keys in pages, without blocking Redis. A key may come again in a later page. */
export async function* scannedKeys(redis: RedisConnection, pattern: string): AsyncGenerator<string[]> {
  let cursor = '0'
  do {
    const reply = await redis.command('SCAN', cursor, 'MATCH', pattern, 'COUNT', COUNT)
    const [next, keys] = reply as [string, string[]]
    cursor = next
    if (keys.length > 0) yield keys
  } while (cursor !== '0')
}

/**
 * Matching members of a sorted set in pages, as `scannedKeys`, without those larger than the relay writes. The connection
 * must know `scanMembersScript`.
 */
export async function* scannedMembers(
  redis: RedisConnection,
  key: string,
  pattern: string,
): AsyncGenerator<string[]> {
  let cursor = '0'
  do {
    const call = evalScript(scanMembersScript, [key], [cursor, COUNT, PARKED_BYTES_MAX, pattern])
    const reply = await redis.command(...call)
    const [next, flat] = reply as [string, string[]]
    cursor = next
    // Every second item is a score.
    const members = flat.filter((_, i) => i % 2 === 0)
    if (members.length > 0) yield members
  } while (cursor !== '0')
}
