import { EARLIEST_MS, LATEST_MS } from '../events/claimed-time.ts'
import { MARK_BYTES_MAX, REGISTRATION_BYTES_MAX, TOMBSTONE_BYTES_MAX } from './bounded-reads.ts'

/*
 * KEYS[1] is a session's hash and KEYS[2] its tombstone. A script for several sessions has further pairs. `session-mark.ts`
 * describes tombstones.
 */

/** The position in a mark of the only user that it covers, counted from 1. */
export const USER_FIELD = 11

/**
 * The date of a registration's JSON in milliseconds since the epoch; nil without one. The relay writes a number, a provider
 * may write an RFC 3339 instant. Without the plain search first it is ten times slower.
 */
export const DATE_OF = `
local INSTANT = '^%s*:%s*"(%d%d%d%d)-(%d%d)-(%d%d)[Tt ](%d%d):(%d%d):(%d%d)(%.?%d*)([Zz+-])(%d*):?(%d*)'
local function instantOf(json, from)
  local y, m, d, h, min, s, fraction, sign, zoneH, zoneMin = string.match(json, INSTANT, from)
  if not y then return tonumber(string.match(json, '^%s*:%s*"(%d+)"', from)) end
  -- Counted from March, so that the leap day comes last.
  m = (tonumber(m) + 9) % 12
  y = tonumber(y) - (m >= 10 and 1 or 0)
  local days = 365 * y + math.floor(y / 4) - math.floor(y / 100) + math.floor(y / 400) + math.floor((153 * m + 2) / 5) + d - 719469
  local zone = (sign == '+' and -1 or 1) * ((tonumber(zoneH) or 0) * 60 + (tonumber(zoneMin) or 0))
  -- By digits, because 7.972 * 1000 is a little less than 7972.
  return ((days * 24 + h) * 60 + min + zone) * 60000 + s * 1000 + tonumber(string.sub(fraction .. '000', 2, 4))
end
local function dateOf(json)
  local _, last = string.find(json or '', '"registeredAt"', 1, true)
  if not last then return nil end
  local digits = string.match(json, '^%s*:%s*(%d+)', last + 1)
  if digits then return tonumber(digits) end
  return instantOf(json, last + 1)
end`

/**
 * The marks of a tombstone in order, each a table with its text, and the remaining text. No marks if the first line is
 * foreign.
 */
export const MARKS_OF = `
local function isCount(value, max)
  return type(value) == 'number' and value >= 0 and value <= max and value % 1 == 0
end
local function isTimeOrNone(value)
  if value == nil or value == cjson.null then return true end
  return type(value) == 'number' and value % 1 == 0 and value >= ${EARLIEST_MS} and value < ${LATEST_MS}
end
local function isIdentifier(text)
  if type(text) ~= 'string' or text == '' or string.find(text, '[%z\\1-\\31\\127]') then return false end
  if #text > 1024 and select(2, string.gsub(text, '[^\\128-\\191]', '')) > 1024 then return false end
  return not (string.find(text, '\\194[\\128-\\159]') or string.find(text, '\\226\\128[\\168\\169]'))
end
local function isMark(it)
  if not (isIdentifier(it[1]) and type(it[2]) == 'string' and #it[2] <= 249) then return false end
  if not string.find(it[2], '^[%w_.-]+$') then return false end
  if not (isCount(it[3], ${2 ** 31 - 1}) and isCount(it[4], ${Number.MAX_SAFE_INTEGER})) then return false end
  if not (isTimeOrNone(it[5]) and isTimeOrNone(it[6]) and isTimeOrNone(it[7])) then return false end
  for n = 9, 10 do
    if it[n] ~= nil and type(it[n]) ~= 'string' then return false end
  end
  return it[${USER_FIELD}] == nil or isIdentifier(it[${USER_FIELD}])
end
local function marksOf(tombstone)
  local marks, from = {}, 1
  while true do
    local last = (string.find(tombstone, '\\n', from, true) or #tombstone + 1) - 1
    local text = string.sub(tombstone, #marks == 0 and from or from + 1, last)
    local mayBe = string.sub(text, 1, 1) == '[' and #text <= ${MARK_BYTES_MAX}
    local isRead, mark = pcall(cjson.decode, mayBe and text or '')
    if not (isRead and type(mark) == 'table' and isMark(mark)) then
      if #marks == 0 then from = last + 1 end
      return marks, string.sub(tombstone, #marks == 0 and from or from - 1)
    end
    marks[#marks + 1] = { text = text, fields = mark, untilMs = tonumber(mark[5]) or math.huge }
    if last >= #tombstone or string.sub(tombstone, last + 2, last + 2) ~= '\\t' then
      return marks, string.sub(tombstone, last + 1)
    end
    from = last + 2
  end
end`

/** The tombstone, or `false`. Does not read one that is larger than the relay writes. */
export const TOMBSTONE = `
local function tombstoneAt(key)
  if redis.call('STRLEN', key) > ${TOMBSTONE_BYTES_MAX} then error('Expected a tombstone', 2) end
  return redis.call('GET', key)
end`

/** The date up to which a tombstone settles an oidcSessionId; nil if it does not. */
export const SETTLED_UNTIL = `
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

/**
 * When a failed registration was reopened, which `redis-recovery-registry.ts` writes at the head of the JSON. Earlier
 * outcomes do not settle it. Nil for any other registration.
 */
export const REOPENED_AT = `
local function reopenedAt(json)
  return tonumber(string.match(json or '', '^{"reopenedUntil":%d+,"reopenedAt":(%d+)') or '')
end`

/** The end of a registration's JSON that a relay in shadow mode has settled, see `KEEP`. */
export const SHADOWED = ',"shadowed":true}'

/** What becomes of settled registrations: a relay removes them. */
export const REMOVE = `
local function leave(session, ...) redis.call('HDEL', session, ...) end`

/**
 * In shadow mode they stay until their lifetime ends, and are marked: no relay takes them for owed any more. What is no JSON
 * object, or too large for a mark, stays as it is.
 */
export const KEEP = `
local function leave(session, ...)
  for _, id in ipairs({ ... }) do
    local isShort = redis.call('HSTRLEN', session, id) < ${REGISTRATION_BYTES_MAX} - ${SHADOWED.length}
    local json = isShort and redis.call('HGET', session, id)
    local body = json and string.match(json, '^(.*[^%s,{])%s*}%s*$')
    if body and string.sub(json, -${SHADOWED.length}) ~= '${SHADOWED}' then
      redis.call('HSET', session, id, body .. '${SHADOWED}')
    end
  end
end`

/** Extends a TTL. Never shortens it, and leaves a key without a TTL alone. (EXPIRE GT needs Redis 7.) */
export const STRETCH = `
local function stretch(key, ms)
  local ttl = redis.call('PTTL', key)
  if ttl >= 0 and ttl < ms then redis.call('PEXPIRE', key, ms) end
end`

/**
 * Whether the key is a user's index: session ids by their end. Converts the plain set of an earlier version. `false` for
 * foreign data.
 */
export const INDEX_OF_USER = `
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

/** A lower score is no time, or is in seconds, and says nothing about the end of the session. */
export const TIMES_FROM_MS = 978_307_200_000
