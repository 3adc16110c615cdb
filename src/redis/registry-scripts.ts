import { redisScript } from './redis-script.ts'

/*
 * KEYS[1] is always the session's hash and KEYS[2] its tombstone; both are in one slot. The tombstone is a string:
 * a first line that tells which trigger ended the session, then a line per settled oidcSessionId.
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

/** ARGV: first line of the tombstone, its TTL in ms. Returns the registrations as a flat list of fields and values. */
export const endSessionScript = redisScript(`
if redis.call('SET', KEYS[2], ARGV[1], 'NX', 'PX', ARGV[2]) == false then redis.call('PEXPIRE', KEYS[2], ARGV[2]) end
return redis.call('HGETALL', KEYS[1])
`)

/** ARGV: oidcSessionIds. Returns how many registrations the session still has. */
export const settleScript = redisScript(`
redis.call('HDEL', KEYS[1], unpack(ARGV))
local ttl = redis.call('PTTL', KEYS[2])
if ttl ~= -2 then redis.call('APPEND', KEYS[2], '\\n' .. table.concat(ARGV, '\\n')) end
return redis.call('HLEN', KEYS[1])
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
