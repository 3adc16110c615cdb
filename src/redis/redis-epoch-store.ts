import { randomUUID } from 'node:crypto'
import { messageOf } from '../errors.ts'
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

/** KEYS: lock. ARGV: owner, ms. */
const renewScript = redisScript(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
`)

/** KEYS: lock, epoch. ARGV: owner, epoch. */
const confirmScript = redisScript(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[2], ARGV[2])
return 1
`)

/** KEYS: lock. ARGV: owner. */
const unlockScript = redisScript(`
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 1
`)

/** Stands for the run of a server that does not tell it. */
const UNKNOWN_RUN = 'unknown'

/** The epoch is a random id and the `run_id` of the server that it was set on. */
export class RedisEpochStore implements EpochStore {
  readonly #redis: RedisConnection
  readonly #epoch: string
  readonly #lock: string

  constructor(redis: RedisConnection, keys: RedisKeys) {
    this.#redis = redis
    this.#epoch = keys.epoch()
    this.#lock = keys.rebuildLock()
    redis.register(lockScript, renewScript, confirmScript, unlockScript)
  }

  async read(): Promise<string | undefined> {
    const epoch = await this.#redis.command('GET', this.#epoch)
    if (typeof epoch !== 'string') return undefined
    return epoch.endsWith(` ${await this.#runId()}`) ? epoch : undefined
  }

  async lock(owner: string, ms: number): Promise<boolean> {
    return (await this.#redis.command(...evalScript(lockScript, [this.#lock], [owner, ms]))) === 1
  }

  async renew(owner: string, ms: number): Promise<boolean> {
    return (await this.#redis.command(...evalScript(renewScript, [this.#lock], [owner, ms]))) === 1
  }

  async confirm(owner: string): Promise<string | undefined> {
    const epoch = `${randomUUID()} ${await this.#runId()}`
    const confirm = evalScript(confirmScript, [this.#lock, this.#epoch], [owner, epoch])
    return (await this.#redis.command(...confirm)) === 1 ? epoch : undefined
  }

  async unlock(owner: string): Promise<void> {
    await this.#redis.command(...evalScript(unlockScript, [this.#lock], [owner]))
  }

  async #runId(): Promise<string> {
    try {
      const info = String(await this.#redis.command('INFO', 'server'))
      return /^run_id:(\w+)/m.exec(info)?.[1] ?? UNKNOWN_RUN
    } catch (error) {
      // A user without the right to ask still has the marker itself.
      if (messageOf(error).startsWith('NOPERM')) return UNKNOWN_RUN
      throw error
    }
  }
}
