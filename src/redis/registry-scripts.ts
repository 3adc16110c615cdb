import { redisScript } from './redis-script.ts'

/*
 * KEYS[1] is always a session's hash and KEYS[2] its tombstone; further pairs follow where a script takes several
 * sessions. The tombstone is a string: a first line that tells which trigger ended the session, then a line per
 * settled oidcSessionId.
 */

/** ARGV: oidcSessionId, registration JSON, session lifetime in ms. Returns the tombstone's first line ('-' when it
 * is empty), '' when there is no tombstone, or nil when this registration is settled. */
export const registerScript = redisScript(`
local ended = redis.call('GET', KEYS[2])
if ended and string.find(ended .. '\\n', '\\n' .. ARGV[1] .. '\\n', 1, true) then return false end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[3]) then redis.call('PEXPIRE', KEYS[1], ARGV[3]) end
if not ended then return '' end
local line = string.match(ended, '^[^\\n]*')
return line == '' and '-' or line
`)

/** KEYS: the user's mark. ARGV: the mark, its time, its TTL in ms. A later mark stays. */
export const signOutScript = redisScript(`
local mark = redis.call('GET', KEYS[1])
local later = mark and tonumber(string.match(mark, ',(%d+)%]$'))
if later and later > tonumber(ARGV[2]) then return redis.call('PEXPIRE', KEYS[1], ARGV[3]) end
return redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[3])
`)

/**
 * KEYS: sessions. ARGV: TTL of the tombstones in ms, first line of each. Returns per session its registrations as a
 * flat list of fields and values. A call per session would cost the client more than everything that is in it.
 */
export const endSessionsScript = redisScript(`
local found = {}
for i = 1, #KEYS, 2 do
  local ended, line = KEYS[i + 1], ARGV[(i + 3) / 2]
  if redis.call('SET', ended, line, 'NX', 'PX', ARGV[1]) == false then redis.call('PEXPIRE', ended, ARGV[1]) end
  found[#found + 1] = redis.call('HGETALL', KEYS[i])
end
return found
`)

/** KEYS: sessions. ARGV: for each how many oidcSessionIds, and these. Returns how many registrations each still has. */
export const settleScript = redisScript(`
local left, at = {}, 1
for i = 1, #KEYS, 2 do
  local first, last = at + 1, at + tonumber(ARGV[at])
  redis.call('HDEL', KEYS[i], unpack(ARGV, first, last))
  if redis.call('EXISTS', KEYS[i + 1]) == 1 then
    redis.call('APPEND', KEYS[i + 1], '\\n' .. table.concat(ARGV, '\\n', first, last))
  end
  left[#left + 1] = redis.call('HLEN', KEYS[i])
  at = last + 1
end
return left
`)

/** KEYS: users' sets of session ids. ARGV: the session that leaves each. */
export const leaveUserScript = redisScript(`
for i = 1, #KEYS do redis.call('SREM', KEYS[i], ARGV[i]) end
return {}
`)

/** ARGV: TTL of a tombstone in ms, oidcSessionIds. Removes them, and notes those that were not there on the tombstone. */
export const forgetScript = redisScript(`
for i = 2, #ARGV do
  if redis.call('HDEL', KEYS[1], ARGV[i]) == 0 then
    redis.call('APPEND', KEYS[2], '\\n' .. ARGV[i])
    if redis.call('PTTL', KEYS[2]) < 0 then redis.call('PEXPIRE', KEYS[2], ARGV[1]) end
  end
end
return #ARGV - 1
`)

/** ARGV: time to live in ms. Lengthens the session's life to that, never shortens it. (EXPIRE GT needs Redis 7.) */
export const stretchScript = redisScript(`
local ttl = redis.call('PTTL', KEYS[1])
if ttl >= 0 and ttl < tonumber(ARGV[1]) then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return ttl
`)
