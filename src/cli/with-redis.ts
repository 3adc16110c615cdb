import { issuersLayout } from '../app/create-issuers.ts'
import { type Layout, layout } from '../config/config.ts'
import { RedisKeys } from '../redis/redis-keys.ts'
import { readConfigFor } from './arguments.ts'
import { goByClockOf, openRedis } from './backends.ts'

export interface RedisSite {
  readonly issuer: string
  /** Whether it is configured here; `undefined` where nothing is configured of issuers. */
  readonly isKnown: boolean | undefined
  readonly keys: RedisKeys
  readonly redis: Awaited<ReturnType<typeof openRedis>>
}

/** What `withRedis` reads. */
export const siteLayout = [layout.redis, issuersLayout] as const satisfies Layout

/** Runs a command about one issuer, the only one unless another is given, with a connection to Redis, which is closed afterwards. */
export async function withRedis<T>(
  givenIssuer: string | undefined,
  run: (site: RedisSite) => Promise<T>,
): Promise<T> {
  const { issuer, isKnown, config } = await readConfigFor(
    { mode: layout.mode, redis: layout.redis },
    givenIssuer,
  )
  const redis = await openRedis(config.redis)
  try {
    await goByClockOf(redis)
    return await run({ issuer, isKnown, redis, keys: new RedisKeys(config.redis.prefix, config.mode) })
  } finally {
    redis.close()
  }
}
