import { redisScript } from './redis-script.ts'

/*
 * KEYS[1] is always a session's hash and KEYS[2] its tombstone; further pairs follow where a script takes several
 * sessions. The tombstone is a string: a first line that tells which trigger ended the session, then a line per
 * settled registration: its oidcSessionId, a tab, and the date up to which it is settled. `session-mark.ts` reads both.
 */

/** Date of a registration in its JSON; nothing where it has none that Lua can read. */
const DATE_OF = `
local function dateOf(json)
  return json and tonumber(string.match(json, '"registeredAt"%s*:%s*(%d+)'))
end`

/** The mark of a tombstone, as a table, and its text; nothing for what somebody else has written there. */
const MARK_OF = `
local function markOf(tombstone)
  local line = tombstone and string.match(tombstone, '^%[[^\\n]*')
  local isRead, mark = pcall(cjson.decode, line or '')
  if isRead and type(mark) == 'table' and type(mark[1]) == 'string' then return mark, line end
end`

/** Up to which date a tombstone says that an oidcSessionId is settled; nothing when it does not. */
const SETTLED_UNTIL = `
local function settledUntil(tombstone, id)
  local from, latest = 1, nil
  while true do
    local _, last = string.find(tombstone, '\\n' .. id, from, true)
    if not last then return latest end
    local sign = string.sub(tombstone, last + 1, last + 1)
    -- An earlier version wrote no date.
    if sign == '' or sign == '\\n' then return math.huge end
    local date = sign == '\\t' and tonumber(string.match(tombstone, '^%d+', last + 2))
    if date and not (latest and latest > date) then latest = date end
    from = last + 1
  end
end`

/** Lengthens a life, never shortens it, and leaves what has no end. (EXPIRE GT needs Redis 7.) */
const STRETCH = `
local function stretch(key, ms)
  local ttl = redis.call('PTTL', key)
  if ttl >= 0 and ttl < ms then redis.call('PEXPIRE', key, ms) end
end`

/**
 * The index of a user: session ids by the end of their life. An earlier version kept a plain set, which is converted
 * when it is met; `false` for a key that holds something else.
 */
const INDEX_OF_USER = `
local function isIndex(key, endMs)
  local kind = redis.call('TYPE', key).ok
  if kind == 'zset' or kind == 'none' then return true end
  if kind ~= 'set' then return false end
  local ids, ttl = redis.call('SMEMBERS', key), redis.call('PTTL', key)
  redis.call('DEL', key)
  for _, id in ipairs(ids) do redis.call('ZADD', key, endMs, id) end
  if ttl > 0 then redis.call('PEXPIRE', key, ttl) end
  return true
end`

/** Of the expired entries of a user's index, how many leave it when the user gets a new session. */
const EXPIRED_AT_ONCE = 8

/**
 * KEYS: per registration its session and tombstone, its user's index and mark of a sign-out. ARGV: session lifetime in
 * ms, now, then per registration session id, oidcSessionId, JSON, date ('' without one). Returns per registration the
 * tombstone's first line when it belongs to that ending ('-' when that tells nothing), '' when it does not, or 0 when the
 * registration is settled, or a later one has taken its place; the mark of the sign-out, or ''; and whether a registration
 * of that id stood there already.
 */
export const registerScript = redisScript(`
${DATE_OF}
${MARK_OF}
${SETTLED_UNTIL}
${INDEX_OF_USER}
local lifetime, now = tonumber(ARGV[1]), tonumber(ARGV[2])

-- What is wrong with a user's index must not keep a registration out.
local function enlist(key, id, life)
  local score = life == -1 and 'inf' or now + life
  local before = redis.call('PTTL', key)
  local added = redis.pcall('ZADD', key, 'GT', score, id)
  if type(added) == 'table' then
    if not isIndex(key, now + lifetime) then return end
    added = redis.call('ZADD', key, 'GT', score, id)
  end
  if life == -1 then redis.call('PERSIST', key)
  elseif before == -2 or (before >= 0 and before < life) then redis.call('PEXPIRE', key, life) end
  if added == 0 or before == -2 then return end
  for _, expired in ipairs(redis.call('ZRANGEBYSCORE', key, '-inf', now, 'LIMIT', 0, ${EXPIRED_AT_ONCE})) do
    redis.call('ZREM', key, expired)
  end
end

local answers = {}
for i = 1, #KEYS, 4 do
  local session, id, date = KEYS[i], ARGV[i + 3], tonumber(ARGV[i + 5])
  local ended = redis.call('GET', KEYS[i + 1])
  local settled = ended and settledUntil(ended, id)
  local line, mark, stood = '', '', 0
  local stored = date and dateOf(redis.call('HGET', session, id))
  if settled and not (date and date > settled) then line = 0
  elseif stored and stored > date then line = 0
  else
    local life = redis.call('PTTL', session)
    enlist(KEYS[i + 2], ARGV[i + 2], life == -1 and -1 or math.max(life, lifetime))
    stood = 1 - redis.call('HSET', session, id, ARGV[i + 4])
    if life == -2 or (life >= 0 and life < lifetime) then redis.call('PEXPIRE', session, lifetime) end
    if ended then
      local found, text = markOf(ended)
      local untilMs = found and tonumber(found[5])
      if not (date and untilMs and date > untilMs) then line = text or '-' end
    end
    mark = redis.pcall('GET', KEYS[i + 3])
    if type(mark) ~= 'string' then mark = '' end
  end
  answers[#answers + 1] = line
  answers[#answers + 1] = mark
  answers[#answers + 1] = stood
end
return answers
`)

/**
 * KEYS: the user's mark and index. ARGV: the mark, its cut-off, its TTL in ms, when sessions of an earlier version's
 * index end. A later mark stays. Returns whether the index can be read.
 */
export const signOutScript = redisScript(`
${MARK_OF}
${INDEX_OF_USER}
local standing = redis.pcall('GET', KEYS[1])
if type(standing) == 'string' or not standing then
  local mark = markOf(standing)
  if mark and (tonumber(mark[5]) or 0) >= tonumber(ARGV[2]) then redis.call('PEXPIRE', KEYS[1], ARGV[3])
  else redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[3]) end
end
return isIndex(KEYS[2], ARGV[4]) and 1 or 0
`)

/**
 * KEYS: sessions. ARGV: TTL of the tombstones in ms, then per session the mark and how long its registrations must live.
 * Returns per session the mark that stood there already, or '', and its registrations as a flat list of fields and
 * values. A call per session would cost the client more than everything that is in it.
 */
export const endSessionsScript = redisScript(`
${MARK_OF}
${STRETCH}
local found = {}
for i = 1, #KEYS, 2 do
  local session, ended, line = KEYS[i], KEYS[i + 1], ARGV[i + 1]
  local standing = ''
  if redis.call('SET', ended, line, 'NX', 'PX', ARGV[1]) == false then
    local tombstone = redis.call('GET', ended)
    local mark, text = markOf(tombstone)
    if mark then
      standing = text
      local mine = cjson.decode(line)
      local isSame = mark[1] == mine[1] and mark[2] == mine[2] and mark[3] == mine[3] and mark[4] == mine[4]
      -- Made from an outcome, or by an earlier version: the trigger itself knows more.
      if isSame and not tonumber(mark[7]) then
        standing = line
        mark = nil
      end
    end
    if not mark then
      local below = string.find(tombstone, '\\n', 1, true)
      redis.call('SET', ended, line .. (below and string.sub(tombstone, below) or ''), 'KEEPTTL')
    end
    if redis.call('PTTL', ended) < tonumber(ARGV[1]) then redis.call('PEXPIRE', ended, ARGV[1]) end
  end
  local fields = redis.call('HGETALL', session)
  if #fields > 0 then stretch(session, tonumber(ARGV[i + 2])) end
  found[#found + 1] = standing
  found[#found + 1] = fields
end
return found
`)

/**
 * KEYS: sessions that were used again after an ending. ARGV: TTL of the tombstones in ms, then per session the mark that
 * stood there, and the one that takes its place. Returns per session 1, or 0 when another mark stands there by now, and
 * its registrations.
 */
export const endAnewScript = redisScript(`
local found = {}
for i = 1, #KEYS, 2 do
  local ended, before, line = KEYS[i + 1], ARGV[i + 1], ARGV[i + 2]
  local tombstone = redis.call('GET', ended) or ''
  local isExpected = tombstone == before or string.sub(tombstone, 1, #before + 1) == before .. '\\n'
  if isExpected then
    redis.call('SET', ended, line .. string.sub(tombstone, #before + 1), 'KEEPTTL')
    if redis.call('PTTL', ended) < tonumber(ARGV[1]) then redis.call('PEXPIRE', ended, ARGV[1]) end
  end
  found[#found + 1] = isExpected and 1 or 0
  found[#found + 1] = redis.call('HGETALL', KEYS[i])
end
return found
`)

/**
 * KEYS: sessions. ARGV: for each how many registrations, and oidcSessionId, date and JSON of the outcome of each. The
 * outcome becomes the last member of the registration's JSON, whose text is the identity provider's and stays as it is.
 * One that was made later under the same id is another one.
 */
export const notePendingScript = redisScript(`
${DATE_OF}
local at = 1
for i = 1, #KEYS, 2 do
  local last = at + 3 * tonumber(ARGV[at])
  for j = at + 1, last, 3 do
    local json = redis.call('HGET', KEYS[i], ARGV[j])
    local body = json and string.match(json, '^(.*[^%s,{])%s*}%s*$')
    local date, meant = dateOf(json), tonumber(ARGV[j + 1])
    local isLater = date and meant and date > meant
    if body and not isLater and not string.find(body, '"pendingOutcome":', 1, true) then
      redis.call('HSET', KEYS[i], ARGV[j], body .. ',"pendingOutcome":' .. ARGV[j + 2] .. '}')
    end
  end
  at = last + 1
end
return #KEYS / 2
`)

/**
 * KEYS: sessions. ARGV: for each how many registrations, and oidcSessionId and date ('' without one) of each; then it is
 * the ending's cut-off. Returns how many registrations each session still has.
 */
export const settleScript = redisScript(`
${DATE_OF}
${MARK_OF}
local left, at = {}, 1
for i = 1, #KEYS, 2 do
  local last = at + 2 * tonumber(ARGV[at])
  local ids, gone, lines, untilMs = {}, {}, {}, nil
  for j = at + 1, last, 2 do ids[#ids + 1] = ARGV[j] end
  local stored = redis.call('HMGET', KEYS[i], unpack(ids))
  local ended = redis.call('EXISTS', KEYS[i + 1]) == 1
  for n, id in ipairs(ids) do
    local date, standing = tonumber(ARGV[at + 2 * n]), dateOf(stored[n])
    if not date and ended then
      untilMs = untilMs or tonumber((markOf(redis.call('GET', KEYS[i + 1])) or {})[5])
      date = untilMs
    end
    if not (date and standing and standing > date) then gone[#gone + 1] = id end
    lines[n] = '\\n' .. id .. (date and '\\t' .. string.format('%.0f', date) or '')
  end
  if #gone > 0 then redis.call('HDEL', KEYS[i], unpack(gone)) end
  if ended then redis.call('APPEND', KEYS[i + 1], table.concat(lines)) end
  left[#left + 1] = redis.call('HLEN', KEYS[i])
  at = last + 1
end
return left
`)

/** KEYS: indexes of users. ARGV: the session that leaves each. What holds something else is left alone. */
export const leaveUserScript = redisScript(`
for i = 1, #KEYS do
  if type(redis.pcall('ZREM', KEYS[i], ARGV[i])) == 'table' then redis.pcall('SREM', KEYS[i], ARGV[i]) end
end
return {}
`)

/**
 * KEYS: sessions. ARGV: TTL of a tombstone in ms, then for each session its mark, how many registrations, and
 * oidcSessionId, date, and whether it may still come, of each. Removes them, and notes on the tombstone those that were
 * not there or may come again.
 */
export const forgetScript = redisScript(`
${DATE_OF}
local at = 2
for i = 1, #KEYS, 2 do
  local last, lines = at + 1 + 3 * tonumber(ARGV[at + 1]), {}
  for j = at + 2, last, 3 do
    local id, stored = ARGV[j], redis.call('HGET', KEYS[i], ARGV[j])
    local date = dateOf(stored)
    local isMeant = stored and not (date and date > tonumber(ARGV[j + 1]))
    if isMeant then redis.call('HDEL', KEYS[i], id) end
    if not isMeant or ARGV[j + 2] == '1' then lines[#lines + 1] = '\\n' .. id .. '\\t' .. ARGV[j + 1] end
  end
  if #lines > 0 then
    redis.call('SET', KEYS[i + 1], ARGV[at], 'NX')
    redis.call('APPEND', KEYS[i + 1], table.concat(lines))
    if redis.call('PTTL', KEYS[i + 1]) < 0 then redis.call('PEXPIRE', KEYS[i + 1], ARGV[1]) end
  end
  at = last + 1
end
return #KEYS / 2
`)

/** KEYS: a session and its tombstone. ARGV: how long they must live, in ms. */
export const stretchScript = redisScript(`
${STRETCH}
for _, key in ipairs(KEYS) do stretch(key, tonumber(ARGV[1])) end
return #KEYS
`)
