import { randomUUID } from 'node:crypto'
import { inject } from 'vitest'
import { Gate } from '../../src/lib/gate.ts'
import { RedisConnection } from '../../src/redis/redis-connection.ts'
import { RedisKeys } from '../../src/redis/redis-keys.ts'

/** A prefix that no other test uses. Its keys are deleted at the end. */
export function freshPrefix(): string {
  return `contract-${randomUUID()}`
}

/** A separate, ready connection to the real Redis. */
export async function connectRedis(): Promise<RedisConnection> {
  const up = new Gate(false)
  const connection = new RedisConnection({
    url: inject('redisUrl'),
    onUp: () => up.open(),
    onDown: () => undefined,
  })
  connection.start()
  await up.wait()
  return connection
}

/** A connection and a prefix; disposing of it removes what was written under the prefix. */
export class RedisFixture implements AsyncDisposable {
  readonly prefix = freshPrefix()
  readonly keys = new RedisKeys(this.prefix)
  readonly redis: RedisConnection

  private constructor(redis: RedisConnection) {
    this.redis = redis
  }

  static async create(): Promise<RedisFixture> {
    return new RedisFixture(await connectRedis())
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const keys = (await this.redis.command('KEYS', `${this.prefix}:*`)) as string[]
    if (keys.length > 0) await this.redis.command('DEL', ...keys)
    this.redis.close()
  }
}
