import { NAME_BYTES_MAX, scanMembersScript } from './bounded-reads.ts'
import { isWrongType } from './foreign-keys.ts'
import type { RedisCommand } from './redis-connection.ts'
import { evalScript } from './redis-script.ts'

/** Redis blocks while it scans so many. */
const COUNT = 500

/**
 * Ids of a user's sessions in pages, each once; some sessions may be over. The index is a sorted set by the end of the
 * sessions. Also reads the plain set of an earlier version. A key with foreign data names no session. `run` must know
 * `scanMembersScript`.
 */
export async function* sessionsOfUser(
  run: (command: RedisCommand) => Promise<unknown>,
  key: string,
): AsyncGenerator<string[]> {
  try {
    // Every second item is a score.
    const zscan = (cursor: string) => evalScript(scanMembersScript, [key], [cursor, COUNT, NAME_BYTES_MAX])
    for await (const flat of scanned(zscan, run)) yield flat.filter((_, i) => i % 2 === 0)
    return
  } catch (error) {
    if (!isWrongType(error)) throw error
  }
  try {
    yield* scanned((cursor) => ['SSCAN', key, cursor, 'COUNT', COUNT], run)
  } catch (error) {
    if (!isWrongType(error)) throw error
  }
}

async function* scanned(
  scan: (cursor: string) => RedisCommand,
  run: (command: RedisCommand) => Promise<unknown>,
): AsyncGenerator<string[]> {
  let cursor = '0'
  do {
    const [next, found] = (await run(scan(cursor))) as [string, string[]]
    cursor = next
    if (found.length > 0) yield found
  } while (cursor !== '0')
}
