import type { Fact } from '../diagnosis/facts.ts'
import type { EpochFacts, RedisServerFacts } from '../diagnosis/redis-server-facts.ts'
import type { RedisConnection } from './redis-connection.ts'
import { type RedisInfo, readInfo, refusalOf } from './redis-info.ts'
import type { RedisKeys } from './redis-keys.ts'

const PINGS = 10

/** Looks up what the doctor wants to know of Redis. Throws when Redis cannot be reached. */
export class RedisServerFactsReader {
  readonly #redis: RedisConnection
  readonly #keys: RedisKeys

  constructor(redis: RedisConnection, keys: RedisKeys) {
    this.#redis = redis
    this.#keys = keys
  }

  async read(): Promise<RedisServerFacts> {
    const info = await this.#info()
    return {
      version: factOf(
        info,
        (it) => `${nameIn(it)} ${it.get('valkey_version') ?? it.get('redis_version') ?? '?'}`,
      ),
      memory: factOf(info, (it) => ({
        usedBytes: Number(it.get('used_memory') ?? 0),
        maxBytes: Number(it.get('maxmemory') ?? 0),
      })),
      pingMs: await this.#pingMs(),
      epoch: await this.#epoch(info),
    }
  }

  async #info(): Promise<Fact<RedisInfo>> {
    try {
      return { value: readInfo(await this.#redis.command('INFO')) }
    } catch (error) {
      return { unread: refusalOf(error) }
    }
  }

  async #pingMs(): Promise<number> {
    const times: number[] = []
    for (let i = 0; i < PINGS; i++) {
      const startedAtMs = performance.now()
      // A user who may not run it gets an answer as well, as fast.
      await this.#redis.command('PING').catch(refusalOf)
      times.push(performance.now() - startedAtMs)
    }
    // The quickest: what the others took longer is this process, which is busy with other looks.
    return Math.min(...times)
  }

  async #epoch(info: Fact<RedisInfo>): Promise<Fact<EpochFacts>> {
    try {
      const [epoch, group, lock] = await this.#redis.pipeline([
        ['HGET', this.#keys.epoch(), 'run_id'],
        ['GET', this.#keys.group()],
        ['GET', this.#keys.rebuildLock()],
      ])
      const runId = 'value' in info ? info.value.get('run_id') : undefined
      return {
        value: {
          isSet: typeof epoch === 'string',
          isOfThisRun: runId === undefined ? undefined : epoch === runId,
          isRebuilding: lock !== null,
          isInUse: group !== null,
        },
      }
    } catch (error) {
      return { unread: refusalOf(error) }
    }
  }
}

function nameIn(info: RedisInfo): string {
  return info.has('valkey_version') ? 'valkey' : 'redis'
}

function factOf<T>(info: Fact<RedisInfo>, read: (info: RedisInfo) => T): Fact<T> {
  return 'value' in info ? { value: read(info.value) } : info
}
