import type { ParkedDelivery } from '../delivery/backlog.ts'
import { LEASE_OF, PROGRESS_OF, REGISTRATION } from './backlog-scripts.ts'
import { decodeMember, decodeProgress } from './parked-state.ts'
import type { RedisConnection } from './redis-connection.ts'
import type { RedisKeys } from './redis-keys.ts'
import { evalScript, redisScript } from './redis-script.ts'

/*
 * As in `backlog-scripts.ts`: KEYS[1] is an RP's sorted set of parked deliveries by due time, KEYS[2] the hash of their state
 * in the same slot.
 */

const IS_LEASED = `${LEASE_OF}
local function isLeased(member) return leaseOf(member) > tonumber(ARGV[1]) end`

/** ARGV: now, members. Returns how many are due now, and how many a replica holds. */
const makeDueNowScript = redisScript(`${IS_LEASED}
local due, held = 0, 0
for i = 2, #ARGV do
  local score = redis.call('ZSCORE', KEYS[1], ARGV[i])
  if score and isLeased(ARGV[i]) then held = held + 1
  elseif score then
    if tonumber(score) > tonumber(ARGV[1]) then redis.call('ZADD', KEYS[1], ARGV[1], ARGV[i]) end
    due = due + 1
  end
end
return {due, held}
`)

/**
 * ARGV: now, end of the lease, members. Returns pairs of member and progress for those that nobody else holds, then the
 * number of held ones.
 */
const leaseScript = redisScript(`${IS_LEASED}${PROGRESS_OF}
local answer, held = {}, 0
for i = 3, #ARGV do
  local member = ARGV[i]
  if redis.call('ZSCORE', KEYS[1], member) then
    if isLeased(member) then held = held + 1
    else
      redis.call('ZADD', KEYS[1], ARGV[2], member)
      redis.call('HSET', KEYS[2], 'lease:' .. ${REGISTRATION}, ARGV[2])
      answer[#answer + 1] = member
      answer[#answer + 1] = progressOf(member)
    end
  end
end
answer[#answer + 1] = tostring(held)
return answer
`)

/** An operator's operations on chosen parked deliveries. Idempotent. Throws when Redis is out of reach. */
export class RedisBacklogOperations {
  readonly #redis: RedisConnection
  readonly #keys: RedisKeys

  constructor(redis: RedisConnection, keys: RedisKeys) {
    this.#redis = redis
    this.#keys = keys
    redis.register(makeDueNowScript, leaseScript)
  }

  /** Makes deliveries due now, except those that a replica holds. At most 1,000 members. */
  async makeDue(
    rpKey: string,
    members: readonly string[],
    nowMs: number,
  ): Promise<{ due: number; held: number }> {
    if (members.length === 0) return { due: 0, held: 0 }
    const call = evalScript(makeDueNowScript, this.#rpKeys(rpKey), [nowMs, ...members])
    const [due, held] = (await this.#redis.command(...call)) as [number, number]
    // After the backlog, as in parking: a crash in between only delays the delivery to its old due time.
    if (due > 0) await this.#redis.command('ZADD', this.#keys.backlogs(), 'LT', nowMs, rpKey)
    return { due, held }
  }

  /**
   * Leases deliveries, due or not, until `leaseUntilMs`, so that no replica claims them. Counts those that a replica holds.
   * Of several for one registration it leases only the first. At most 1,000 members.
   */
  async lease(
    rpKey: string,
    members: readonly string[],
    nowMs: number,
    leaseUntilMs: number,
  ): Promise<{ leased: ParkedDelivery[]; held: number }> {
    if (members.length === 0) return { leased: [], held: 0 }
    const call = evalScript(leaseScript, this.#rpKeys(rpKey), [nowMs, leaseUntilMs, ...members])
    const flat = (await this.#redis.command(...call)) as string[]
    const issuer = rpKey.slice(0, rpKey.indexOf('|'))
    const leased: ParkedDelivery[] = []
    for (let i = 0; i + 1 < flat.length; i += 2) {
      const member = decodeMember(flat[i] as string)
      if (member === undefined) continue
      const { state, ...name } = member
      const progress = decodeProgress(flat[i + 1] as string)
      leased.push({ rpKey, issuer, ...name, dueMs: leaseUntilMs, state: { ...progress, ...state } })
    }
    return { leased, held: Number(flat.at(-1)) }
  }

  #rpKeys(rpKey: string): [string, string] {
    return [this.#keys.backlog(rpKey), this.#keys.backlogState(rpKey)]
  }
}
