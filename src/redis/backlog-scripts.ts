import { NAME_BYTES_MAX, PARKED_BYTES_MAX } from './bounded-reads.ts'
import { redisScript } from './redis-script.ts'

/*
 * KEYS[1]: an RP's sorted set of parked deliveries by due time. KEYS[2]: a hash in the same slot. It maps the member of an
 * attempted delivery to its progress, and 'lease:' with the first two lines of a member to the end of the lease. Leases are
 * by registration, because two triggers may have parked a delivery each for one.
 */

export const REGISTRATION = "(string.match(member, '^[^\\n]*\\n[^\\n]*') or member)"

/** The end of a member's lease, or 0. A foreign value counts as no lease. */
export const LEASE_OF = `
local function leaseOf(member)
  return tonumber(redis.call('HGET', KEYS[2], 'lease:' .. ${REGISTRATION}) or '') or 0
end`

/** The progress of a member. A value larger than the relay writes counts as none. */
export const PROGRESS_OF = `
local function progressOf(member)
  local length = redis.call('HSTRLEN', KEYS[2], member)
  return length > 0 and length <= ${PARKED_BYTES_MAX} and redis.call('HGET', KEYS[2], member) or ''
end`

/** ARGV: triples of member, due time, progress. */
export const parkScript = redisScript(`
for i = 1, #ARGV, 3 do
  local member = ARGV[i]
  if ARGV[i + 2] == '' then
    redis.call('HDEL', KEYS[2], 'lease:' .. ${REGISTRATION}, member)
  else
    redis.call('HDEL', KEYS[2], 'lease:' .. ${REGISTRATION})
    redis.call('HSET', KEYS[2], member, ARGV[i + 2])
  end
  redis.call('ZADD', KEYS[1], ARGV[i + 1], member)
end
return #ARGV / 3
`)

/**
 * ARGV: now, end of the lease, limit. Returns pairs of member and progress, then the next due time or ''. A member larger
 * than the relay writes never becomes due again; the answer has '' in its place.
 */
export const claimScript = redisScript(`${LEASE_OF}${PROGRESS_OF}
local members = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, ARGV[3])
local answer = {}
for _, member in ipairs(members) do
  local lease = 'lease:' .. ${REGISTRATION}
  local leasedUntil = leaseOf(member)
  if #member > ${PARKED_BYTES_MAX} then
    redis.call('ZADD', KEYS[1], 'inf', member)
    answer[#answer + 1] = ''
    answer[#answer + 1] = ''
  elseif leasedUntil > tonumber(ARGV[1]) then
    redis.call('ZADD', KEYS[1], leasedUntil, member)
  else
    redis.call('ZADD', KEYS[1], ARGV[2], member)
    redis.call('HSET', KEYS[2], lease, ARGV[2])
    answer[#answer + 1] = member
    answer[#answer + 1] = progressOf(member)
  end
end
local next = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
answer[#answer + 1] = next[2] or ''
return answer
`)

/**
 * ARGV: now, end of the lease, limit, rank to begin at, members to look at. Returns the rank to go on from, or 0 when no more
 * are due; then pairs of member and progress of those whose deadline has passed.
 */
export const claimExpiredScript = redisScript(`${LEASE_OF}${PROGRESS_OF}
local now, from, count = tonumber(ARGV[1]), tonumber(ARGV[4]), tonumber(ARGV[5])
local members = redis.call('ZRANGE', KEYS[1], from, from + count - 1)
local answer, looked = {0}, 0
for n, member in ipairs(members) do
  if #answer >= 2 * tonumber(ARGV[3]) then break end
  looked = n
  local digits = #member <= ${PARKED_BYTES_MAX} and string.match(member, '^[^\\n]*\\n[^\\n]*\\n(%w+)')
  local deadline = digits and tonumber(digits, 36)
  if deadline and deadline <= now and leaseOf(member) <= now then
    redis.call('HSET', KEYS[2], 'lease:' .. ${REGISTRATION}, ARGV[2])
    answer[#answer + 1] = member
    answer[#answer + 1] = progressOf(member)
  end
end
local last = members[looked]
local isMoreDue = last and (looked < #members or #members == count) and tonumber(redis.call('ZSCORE', KEYS[1], last)) <= now
-- Those that were claimed leave their places to the others.
if isMoreDue then answer[1] = from + looked - (#answer - 1) / 2 end
for n = 2, #answer, 2 do redis.call('ZADD', KEYS[1], ARGV[2], answer[n]) end
return answer
`)

/** ARGV: now, end of the lease, members. Returns 1 for each member that the caller now holds, else 0. */
export const holdScript = redisScript(`${LEASE_OF}
local answer = {}
for i = 3, #ARGV do
  local member = ARGV[i]
  local lease = 'lease:' .. ${REGISTRATION}
  local leasedUntil = leaseOf(member)
  if leasedUntil > tonumber(ARGV[1]) then
    redis.call('ZADD', KEYS[1], 'NX', leasedUntil, member)
    answer[#answer + 1] = 0
  else
    answer[#answer + 1] = redis.call('ZADD', KEYS[1], 'NX', ARGV[2], member)
    if answer[#answer] == 1 then redis.call('HSET', KEYS[2], lease, ARGV[2]) end
  end
end
return answer
`)

/** ARGV: now, then pairs of a member and the due time to use if it is not parked. */
export const makeDueScript = redisScript(`${LEASE_OF}
for i = 2, #ARGV, 2 do
  local member = ARGV[i]
  local leasedUntil = leaseOf(member)
  if leasedUntil > tonumber(ARGV[1]) then
    redis.call('ZADD', KEYS[1], 'NX', leasedUntil, member)
  elseif redis.call('ZADD', KEYS[1], 'NX', ARGV[i + 1], member) == 0 then
    redis.call('ZADD', KEYS[1], 'LT', ARGV[1], member)
  elseif tonumber(ARGV[i + 1]) > tonumber(ARGV[1]) then
    -- A lease for whoever may hold the delivery, so that a third trigger does not take it either.
    redis.call('HSET', KEYS[2], 'lease:' .. ${REGISTRATION}, ARGV[i + 1])
  end
end
return (#ARGV - 1) / 2
`)

/** ARGV: members. */
export const removeScript = redisScript(`
redis.call('ZREM', KEYS[1], unpack(ARGV))
for _, member in ipairs(ARGV) do redis.call('HDEL', KEYS[2], member, 'lease:' .. ${REGISTRATION}) end
return redis.call('ZCARD', KEYS[1])
`)

/** ARGV: members that the relay cannot read. They stay and never become due. One that is gone stays gone. */
export const setAsideScript = redisScript(`
for _, member in ipairs(ARGV) do
  local lease = 'lease:' .. ${REGISTRATION}
  redis.call('ZADD', KEYS[1], 'XX', 'inf', member)
  redis.call('HDEL', KEYS[2], lease)
end
return #ARGV
`)

/** An issuer, a bar and a client id. */
const RP_BYTES_MAX = 2 * NAME_BYTES_MAX + 1

/**
 * KEYS[1]: the index of RPs. ARGV: now, offset, limit. Returns how many left the index, then RPs with something due. Removes
 * members that are no RP: too long, or without an issuer and a client.
 */
export const dueRpsScript = redisScript(`
local answer = {0}
for _, rp in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', ARGV[2], ARGV[3])) do
  if #rp <= ${RP_BYTES_MAX} and string.find(rp, '^[^|]+|') then
    answer[#answer + 1] = rp
  else
    redis.call('ZREM', KEYS[1], rp)
    answer[1] = answer[1] + 1
  end
end
return answer
`)

/** KEYS[1]: the index of RPs. ARGV: limit. Returns a flat list of RPs and due times, the earliest first. */
export const firstRpsScript = redisScript(`
local all, rps = redis.call('ZRANGE', KEYS[1], 0, ARGV[1] - 1, 'WITHSCORES'), {}
for n = 1, #all, 2 do
  if #all[n] <= ${RP_BYTES_MAX} then
    rps[#rps + 1] = all[n]
    rps[#rps + 1] = all[n + 1]
  end
end
return rps
`)

/** KEYS[1] alone. Returns the due time of its first member, or ''. */
export const nextDueScript = redisScript(`
return redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2] or ''
`)

/** KEYS[1] alone. ARGV: limit. Returns the members that are due first, without those larger than the relay writes. */
export const firstMembersScript = redisScript(`
local members = {}
for _, member in ipairs(redis.call('ZRANGE', KEYS[1], 0, ARGV[1] - 1)) do
  if #member <= ${PARKED_BYTES_MAX} then members[#members + 1] = member end
end
return members
`)

/**
 * KEYS[1] alone. ARGV: how many members to read from each end. Returns the earliest deadline, as `parked-state.ts` writes it.
 */
export const earliestDeadlineScript = redisScript(`
local earliest = false
local function look(members)
  for _, member in ipairs(members) do
    local digits = string.match(member, '^[^\\n]*\\n[^\\n]*\\n(%w+)')
    local deadline = digits and tonumber(digits, 36)
    if deadline and (not earliest or deadline < earliest) then earliest = deadline end
  end
end
look(redis.call('ZRANGE', KEYS[1], 0, ARGV[1] - 1))
look(redis.call('ZRANGE', KEYS[1], -ARGV[1], -1))
return earliest
`)
