import { redisScript } from './redis-script.ts'

/*
 * KEYS[1] is always a session's hash and KEYS[2] its tombstone; further pairs follow where a script takes several
 * sessions. The tombstone is a string: a first line that tells which trigger ended the session, then a line per
 * settled oidcSessionId.
 */

/**
 * KEYS: per registration its session and tombstone, its user's set of sessions and mark of a sign-out. ARGV: session
 * lifetime in ms, then per registration session id, oidcSessionId, JSON. Returns per registration the tombstone's first
 * line ('-' when it is empty), '' when there is no tombstone, or 0 when the registration is settled; and the mark, or
 * ''.
 */
export const registerScript = redisScript(`
local answers = {}
for i = 1, #KEYS, 4 do
  local at = (i - 1) / 4 * 3 + 2
  local ended = redis.call('GET', KEYS[i + 1])
  if ended and string.find(ended .. '\\n', '\\n' .. ARGV[at + 1] .. '\\n', 1, true) then
    answers[#answers + 1] = 0
    answers[#answers + 1] = ''
  else
    redis.call('SADD', KEYS[i + 2], ARGV[at])
    redis.call('PEXPIRE', KEYS[i + 2], ARGV[1])
    redis.call('HSET', KEYS[i], ARGV[at + 1], ARGV[at + 2])
    if redis.call('PTTL', KEYS[i]) < tonumber(ARGV[1]) then redis.call('PEXPIRE', KEYS[i], ARGV[1]) end
    local line = ended and string.match(ended, '^[^\\n]*')
    answers[#answers + 1] = line == '' and '-' or line or ''
    answers[#answers + 1] = redis.call('GET', KEYS[i + 3]) or ''
  end
end
return answers
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

/**
 * KEYS: sessions. ARGV: for each how many registrations, and oidcSessionId and JSON of the outcome of each. The outcome
 * becomes the last member of the registration's JSON, whose text is the identity provider's and stays as it is.
 */
export const notePendingScript = redisScript(`
local at = 1
for i = 1, #KEYS, 2 do
  local last = at + 2 * tonumber(ARGV[at])
  for j = at + 1, last, 2 do
    local json = redis.call('HGET', KEYS[i], ARGV[j])
    local body = json and string.match(json, '^(.*[^%s,{])%s*}%s*$')
    if body and not string.find(body, '"pendingOutcome":', 1, true) then
      redis.call('HSET', KEYS[i], ARGV[j], body .. ',"pendingOutcome":' .. ARGV[j + 1] .. '}')
    end
  end
  at = last + 1
end
return #KEYS / 2
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

/**
 * KEYS: sessions. ARGV: TTL of a tombstone in ms, then for each session how many oidcSessionIds, and these. Removes
 * them, and notes those that were not there on the tombstone.
 */
export const forgetScript = redisScript(`
local at = 2
for i = 1, #KEYS, 2 do
  local last = at + tonumber(ARGV[at])
  for j = at + 1, last do
    if redis.call('HDEL', KEYS[i], ARGV[j]) == 0 then
      redis.call('APPEND', KEYS[i + 1], '\\n' .. ARGV[j])
      if redis.call('PTTL', KEYS[i + 1]) < 0 then redis.call('PEXPIRE', KEYS[i + 1], ARGV[1]) end
    end
  end
  at = last + 1
end
return #KEYS / 2
`)

/** ARGV: time to live in ms. Lengthens the session's life to that, never shortens it. (EXPIRE GT needs Redis 7.) */
export const stretchScript = redisScript(`
local ttl = redis.call('PTTL', KEYS[1])
if ttl >= 0 and ttl < tonumber(ARGV[1]) then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return ttl
`)
