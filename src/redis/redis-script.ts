import { createHash } from 'node:crypto'
import type { RedisCommand, RedisScript } from './redis-connection.ts'

export function redisScript(source: string): RedisScript {
  return { source, sha: createHash('sha1').update(source).digest('hex') }
}

export function evalScript(
  script: RedisScript,
  keys: readonly string[],
  args: readonly (string | number)[],
): RedisCommand {
  return ['EVALSHA', script.sha, keys.length, ...keys, ...args]
}
