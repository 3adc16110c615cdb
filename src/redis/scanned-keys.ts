import { PARKED_BYTES_MAX, scanMembersScript } from './bounded-reads.ts'
import type { RedisConnection } from './redis-connection.ts'
import { evalScript } from './redis-script.ts'

/** Redis does nothing else while it looks through that many. */
const COUNT = 1_000

/** Text as it stands, in a pattern of Redis. */
export function literalPattern(text: string): string {
  return text.replaceAll(/[\\*?[\]]/g, '\\$&')
}

/** Keys that match, in pages, without holding Redis up. A key may come twice, in a later page. */
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
 * Members of a sorted set that match, in pages, as `scannedKeys`; without those that are larger than any of the relay's. The
 * connection must know `scanMembersScript`.
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
    // Every second one is a score.
    const members = flat.filter((_, i) => i % 2 === 0)
    if (members.length > 0) yield members
  } while (cursor !== '0')
}
