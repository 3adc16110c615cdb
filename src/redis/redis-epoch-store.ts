import { randomUUID } from 'node:crypto'
import type { EpochStore } from '../recovery/epoch-store.ts'
import type { RedisConnection } from './redis-connection.ts'
import type { RedisKeys } from './redis-keys.ts'
import { evalScript, redisScript } from './redis-script.ts'

/** KEYS: lock. ARGV: owner, ms. */
const lockScript = redisScript(`
local owner = redis.call('GET', KEYS[1])
if owner and owner ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
`)

/** KEYS: lock. ARGV: owner. */
const unlockScript = redisScript(`
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 1
`)

export class RedisEpochStore implements EpochStore {
  readonly #redis: RedisConnection
  readonly #keys: RedisKeys

  constructor(redis: RedisConnection, keys: RedisKeys) {
    this.#redis = redis
    this.#keys = keys
    redis.register(lockScript, unlockScript)
  }

  async isIntact(): Promise<boolean> {
    return (await this.#redis.command('EXISTS', this.#keys.epoch())) === 1
  }

  async confirm(): Promise<void> {
    await this.#redis.command('SET', this.#keys.epoch(), randomUUID(), 'NX')
  }

  async lock(owner: string, ms: number): Promise<boolean> {
    const [reply] = await this.#redis.pipeline([
      evalScript(lockScript, [this.#keys.rebuildLock()], [owner, ms]),
    ])
    return reply === 1
  }

  async unlock(owner: string): Promise<void> {
    await this.#redis.pipeline([evalScript(unlockScript, [this.#keys.rebuildLock()], [owner])])
  }
}
