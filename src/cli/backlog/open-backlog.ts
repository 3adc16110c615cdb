import { RedisBacklogView } from '../../redis/redis-backlog-view.ts'
import { RedisKeys } from '../../redis/redis-keys.ts'
import { readOptionsFor } from '../arguments.ts'
import { openRedis, REDIS_OPTIONS } from '../backends.ts'

/** Runs a command about backlogs with a connection to Redis, which is closed afterwards. */
export async function withBacklog<T>(
  givenIssuer: string | undefined,
  run: (site: {
    readonly issuer: string
    readonly keys: RedisKeys
    readonly redis: Awaited<ReturnType<typeof openRedis>>
    readonly view: RedisBacklogView
  }) => Promise<T>,
): Promise<T> {
  const { issuer, ...config } = readOptionsFor(REDIS_OPTIONS, givenIssuer)
  const keys = new RedisKeys(config.REDIS_PREFIX)
  const redis = await openRedis(config)
  try {
    return await run({ issuer, keys, redis, view: new RedisBacklogView(redis, keys) })
  } finally {
    redis.close()
  }
}
