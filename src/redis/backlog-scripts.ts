import { redisScript } from './redis-script.ts'

/* KEYS[1] is an RP's sorted set of parked deliveries by due time, KEYS[2] the hash of their states; one slot. */

/** ARGV: triples of member, due time, state. */
export const parkScript = redisScript(`
for i = 1, #ARGV, 3 do
  redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 2])
  redis.call('ZADD', KEYS[1], ARGV[i + 1], ARGV[i])
end
return #ARGV / 3
`)

/** ARGV: now, end of the lease, limit. Returns pairs of member and state, then the next due time or ''. */
export const claimScript = redisScript(`
local members = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, ARGV[3])
local answer = {}
for _, member in ipairs(members) do
  local state = redis.call('HGET', KEYS[2], member)
  if state then
    redis.call('ZADD', KEYS[1], ARGV[2], member)
    answer[#answer + 1] = member
    answer[#answer + 1] = state
  else
    redis.call('ZREM', KEYS[1], member)
  end
end
local next = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
answer[#answer + 1] = next[2] or ''
return answer
`)

/** ARGV: members. */
export const removeScript = redisScript(`
redis.call('ZREM', KEYS[1], unpack(ARGV))
redis.call('HDEL', KEYS[2], unpack(ARGV))
return redis.call('ZCARD', KEYS[1])
`)
