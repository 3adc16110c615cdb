import { RedisKeys } from '../../redis/redis-keys.ts'
import { RedisSessionView } from '../../redis/redis-session-view.ts'
import { readOptionsFor } from '../arguments.ts'
import { openRedis, REDIS_OPTIONS } from '../backends.ts'

/** Runs a command about sessions of one issuer with a connection to Redis, which is closed afterwards. */
export async function withSessions<T>(
  givenIssuer: string | undefined,
  run: (site: {
    readonly issuer: string
    readonly keys: RedisKeys
    readonly redis: Awaited<ReturnType<typeof openRedis>>
    readonly view: RedisSessionView
  }) => Promise<T>,
): Promise<T> {
  const { issuer, ...config } = readOptionsFor(REDIS_OPTIONS, givenIssuer)
  const keys = new RedisKeys(config.REDIS_PREFIX)
  const redis = await openRedis(config)
  try {
    return await run({ issuer, keys, redis, view: new RedisSessionView(redis, keys) })
  } finally {
    redis.close()
  }
}
