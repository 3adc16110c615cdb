import { clientFieldNames } from '../events/client.ts'
import { readFieldsScript } from './bounded-reads.ts'
import type { RedisConnection } from './redis-connection.ts'
import type { RedisKeys } from './redis-keys.ts'
import { evalScript } from './redis-script.ts'
import { literalPattern, scannedKeys } from './scanned-keys.ts'

/** One setting of a client in Redis. */
export interface StoredSetting {
  readonly name: string
  readonly value: string
  /** When a record set it, in milliseconds since the epoch; missing for one that was written to Redis. */
  readonly recordedAtMs?: number
}

/** Shows the settings of clients to people. Read-only; throws when Redis is out of reach. */
export class RedisClientView {
  readonly #redis: RedisConnection
  readonly #keys: RedisKeys

  constructor(redis: RedisConnection, keys: RedisKeys) {
    this.#redis = redis
    this.#keys = keys
    redis.register(readFieldsScript)
  }

  /** `<issuer>|<clientId>` of each client that has a key. */
  async names(): Promise<string[]> {
    const [before, after] = this.#keys.client('\n', '').split('\n|') as [string, string]
    const names: string[] = []
    for await (const keys of scannedKeys(this.#redis, `${literalPattern(before)}*${literalPattern(after)}`))
      names.push(...keys.map((key) => key.slice(before.length, -after.length)))
    return names
  }

  async settings(issuer: string, clientId: string): Promise<StoredSetting[]> {
    const fields = clientFieldNames.flatMap((name) => [name, `at:${name}`])
    const call = evalScript(readFieldsScript, [this.#keys.client(issuer, clientId)], fields)
    const values = (await this.#redis.command(...call)) as (string | number | null)[]
    return clientFieldNames.flatMap((name, i) => {
      const [value, at] = [values[2 * i], values[2 * i + 1]]
      if (typeof value !== 'string') return []
      const recordedAtMs = typeof at === 'string' ? Number.parseInt(at, 10) : Number.NaN
      return { name, value, ...(Number.isSafeInteger(recordedAtMs) && { recordedAtMs }) }
    })
  }
}
