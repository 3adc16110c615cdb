import type { LeasedName, Leases } from '../delivery/leases.ts'
import { FOREIGN } from './foreign-keys.ts'
import type { RedisCommand, RedisConnection } from './redis-connection.ts'
import type { RedisKeys } from './redis-keys.ts'
import { evalScript, redisScript } from './redis-script.ts'

/** KEYS: state of an RP's backlog. ARGV: now, end of the lease, then the leases' fields. Returns 1 for each taken, else 0. */
const takeScript = redisScript(`
local taken = {}
for i = 3, #ARGV do
  local held = tonumber(redis.call('HGET', KEYS[1], ARGV[i]) or '')
  if held and held > tonumber(ARGV[1]) then
    taken[#taken + 1] = 0
  else
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[2])
    taken[#taken + 1] = 1
  end
end
return taken
`)

/** KEYS: state of an RP's backlog. ARGV: pairs of a lease's field and its end. */
const releaseScript = redisScript(`
for i = 1, #ARGV, 2 do
  if redis.call('HGET', KEYS[1], ARGV[i]) == ARGV[i + 1] then redis.call('HDEL', KEYS[1], ARGV[i]) end
end
return {}
`)

/** The fields that the claim script of the backlog looks at. */
export class RedisLeases implements Leases {
  readonly #redis: RedisConnection
  readonly #keys: RedisKeys

  constructor(redis: RedisConnection, keys: RedisKeys) {
    this.#redis = redis
    this.#keys = keys
    redis.register(takeScript, releaseScript)
  }

  async take(names: readonly LeasedName[], nowMs: number, untilMs: number): Promise<boolean[]> {
    const taken = new Array<boolean>(names.length).fill(false)
    const groups = [...this.#byRp(names)]
    const replies = await this.#redis.tolerant(
      groups.map(([key, indexes]): RedisCommand => {
        const fields = indexes.map((i) => fieldOf(names[i] as LeasedName))
        return evalScript(takeScript, [key], [nowMs, untilMs, ...fields])
      }),
    )
    for (const [group, [, indexes]] of groups.entries()) {
      const answers = replies[group]
      // Where no lease can be kept nobody holds one.
      const isTaken = (at: number) => answers === FOREIGN || (answers as number[])[at] === 1
      for (const [at, i] of indexes.entries()) taken[i] = isTaken(at)
    }
    return taken
  }

  async release(leases: readonly { readonly name: LeasedName; readonly untilMs: number }[]): Promise<void> {
    const groups = this.#byRp(leases.map(({ name }) => name))
    await this.#redis.tolerant(
      [...groups].map(([key, indexes]): RedisCommand => {
        const pairs = indexes.flatMap((i) => {
          const { name, untilMs } = leases[i] as { name: LeasedName; untilMs: number }
          return [fieldOf(name), untilMs]
        })
        return evalScript(releaseScript, [key], pairs)
      }),
    )
  }

  /** Indexes of the names by the key of their RP. */
  #byRp(names: readonly LeasedName[]): Map<string, number[]> {
    const groups = new Map<string, number[]>()
    for (const [i, { issuer, clientId }] of names.entries()) {
      const key = this.#keys.backlogState(`${issuer}|${clientId}`)
      const group = groups.get(key)
      if (group === undefined) groups.set(key, [i])
      else group.push(i)
    }
    return groups
  }
}

function fieldOf({ sessionId, oidcSessionId }: LeasedName): string {
  return `lease:${sessionId}\n${oidcSessionId}`
}
