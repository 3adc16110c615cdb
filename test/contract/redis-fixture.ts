import { randomUUID } from 'node:crypto'
import { expect, inject } from 'vitest'
import { Gate } from '../../src/lib/gate.ts'
import { RedisConnection } from '../../src/redis/redis-connection.ts'
import { RedisKeys } from '../../src/redis/redis-keys.ts'
import { WriteCount } from '../../src/redis/write-count.ts'
import { eventually } from '../support/eventually.ts'

/** A prefix that no other test uses. Its keys are deleted at the end. */
export function freshPrefix(): string {
  return `contract-${randomUUID()}`
}

/** A separate, ready connection to the real Redis that all share. */
export function connectRedis(): Promise<RedisConnection> {
  return connectTo(inject('redisUrl'))
}

async function connectTo(url: string, count?: WriteCount): Promise<RedisConnection> {
  const up = new Gate(false)
  const connection = new RedisConnection({
    url,
    ...(count !== undefined && { count }),
    onUp: () => up.open(),
    onDown: () => undefined,
  })
  connection.start()
  await up.wait()
  return connection
}

/** A connection and a prefix; disposing of it removes what was written under the prefix. */
export class RedisFixture implements AsyncDisposable {
  readonly prefix: string
  readonly keys: RedisKeys
  readonly redis: RedisConnection
  /** Another client of the same server. */
  readonly other: RedisConnection

  #id: number

  private constructor(prefix: string, redis: RedisConnection, other: RedisConnection, id: number) {
    this.prefix = prefix
    this.#id = id
    this.keys = new RedisKeys(prefix)
    this.redis = redis
    this.other = other
  }

  /** `isCounted`: the server counts the calls of `redis`. `url`: of a server of its own, whose settings may be changed. */
  static async create({ isCounted = false, url = inject('redisUrl') } = {}): Promise<RedisFixture> {
    const prefix = freshPrefix()
    const count = isCounted ? new WriteCount(new RedisKeys(prefix).epoch()) : undefined
    const redis = await connectTo(url, count)
    return new RedisFixture(prefix, redis, await connectTo(url), await idOf(redis))
  }

  /** Cuts the connection; resolves when there is a new one. */
  async reconnect(): Promise<void> {
    const id = this.#id
    await this.other.command('CLIENT', 'KILL', 'ID', id)
    await eventually(async () => {
      this.#id = await idOf(this.redis)
      expect(this.#id).not.toBe(id)
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const keys = (await this.other.command('KEYS', `${this.prefix}:*`)) as string[]
    if (keys.length > 0) await this.other.command('DEL', ...keys)
    this.redis.close()
    this.other.close()
  }
}

/** Of its connection. */
async function idOf(redis: RedisConnection): Promise<number> {
  return Number(await redis.command('CLIENT', 'ID'))
}
