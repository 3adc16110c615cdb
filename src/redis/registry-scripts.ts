import { CLOCK_TOLERANCE_MS, EARLIEST_MS, LATEST_MS } from '../events/claimed-time.ts'
import {
  BOUND,
  MARK_BYTES_MAX,
  NAME_BYTES_MAX,
  REGISTRATION_BYTES_MAX,
  TOMBSTONE_BYTES_MAX,
  WHOLE_BYTES_MAX,
  WHOLE_MAX,
} from './bounded-reads.ts'
import { redisScript } from './redis-script.ts'

/*
 * KEYS[1] is always a session's hash and KEYS[2] its tombstone; further pairs follow where a script takes several
 * sessions. `session-mark.ts` tells what a tombstone looks like.
 */

/** Where a mark names the user who alone is meant, counted from 1. */
const USER_FIELD = 11

/**
 * Date of a registration in its JSON, in milliseconds since the epoch; nothing where it has none. The relay writes a number,
 * a provider perhaps an instant of RFC 3339. A pattern alone is ten times slower.
 */
const DATE_OF = `
local INSTANT = '^%s*:%s*"(%d%d%d%d)-(%d%d)-(%d%d)[Tt ](%d%d):(%d%d):(%d%d)(%.?%d*)([Zz+-])(%d*):?(%d*)'
local function instantOf(json, from)
  local y, m, d, h, min, s, fraction, sign, zoneH, zoneMin = string.match(json, INSTANT, from)
  if not y then return tonumber(string.match(json, '^%s*:%s*"(%d+)"', from)) end
  -- Years begin in March here, so that a leap day is the last one.
  m = (tonumber(m) + 9) % 12
  y = tonumber(y) - (m >= 10 and 1 or 0)
  local days = 365 * y + math.floor(y / 4) - math.floor(y / 100) + math.floor(y / 400) + math.floor((153 * m + 2) / 5) + d - 719469
  local zone = (sign == '+' and -1 or 1) * ((tonumber(zoneH) or 0) * 60 + (tonumber(zoneMin) or 0))
  -- Digits, because 7.972 * 1000 is a little less than 7972.
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
 * The marks of a tombstone, in order, each as a table with its text; and what stands below them. There is none where
 * somebody else has written the first line.
 */
const MARKS_OF = `
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

/** `false` without a tombstone. One that is larger than any of the relay's is not read. */
const TOMBSTONE = `
local function tombstoneAt(key)
  if redis.call('STRLEN', key) > ${TOMBSTONE_BYTES_MAX} then error('Expected a tombstone', 2) end
  return redis.call('GET', key)
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

/**
 * When a failed registration was made owed once more: `redis-recovery-registry.ts` writes it at the head of the JSON. What
 * the log said until then does not settle it. Nothing for any other registration.
 */
const REOPENED_AT = `
local function reopenedAt(json)
  return tonumber(string.match(json or '', '^{"reopenedUntil":%d+,"reopenedAt":(%d+)') or '')
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
/** And how many when the user signs out. */
const EXPIRED_PER_CALL = 500
/** A score before that is no time, or in seconds: whoever wrote it says nothing of when the session ends. */
const TIMES_FROM_MS = 978_307_200_000

/** Takes entries out of a user's index that have expired before `now`; returns whether there may be more of them. */
const TRIM = `
local function trim(key, now)
  local expired = redis.call('ZRANGEBYSCORE', key, ${TIMES_FROM_MS}, now, 'LIMIT', 0, ${EXPIRED_PER_CALL})
  if #expired > 0 then redis.call('ZREM', key, unpack(expired)) end
  return #expired == ${EXPIRED_PER_CALL}
end`

/** An entry of a user's index is of a session that is over. */
export function hasExpired(score: number, nowMs: number): boolean {
  return score >= TIMES_FROM_MS && score <= nowMs
}

/** More are not kept. What an identity provider wrote beyond is read as it comes. */
export const SESSION_REGISTRATIONS_MAX = 20_000
/** Of a session that is not read at once, so many registrations tell whose it is. */
const SAMPLE = 100
/** After so many fields the remaining sessions of a call are left for another one. */
const FIELDS_PER_CALL = 4_000
/** And after so many bytes of them. */
const BYTES_PER_CALL = 2_097_152
/** Names of a session with larger ones are read in parts, as its registrations are. */
const NAMES_BYTES_MAX = 4_194_304

/**
 * KEYS: per registration its session and tombstone, its user's index and mark of a sign-out. ARGV: session lifetime in
 * ms, now, then per registration session id, oidcSessionId, JSON, date ('' without one), user id. Returns per registration the
 * mark of the ending to which it belongs ('-' when the tombstone tells nothing), '' when it does not, 0 when the
 * registration is settled, or a later one has taken its place, or 1 when the session has too many; the mark of the sign-out,
 * or ''; and a sum: 1 when a registration of that id stood there already, 2 when the user's index, and 4 when the mark holds
 * something else.
 */
export const registerScript = redisScript(`
${DATE_OF}
${REOPENED_AT}
${MARKS_OF}
${SETTLED_UNTIL}
${TOMBSTONE}
${INDEX_OF_USER}
local lifetime, now = tonumber(ARGV[1]), tonumber(ARGV[2])

-- What is wrong with a user's index must not keep a registration out.
local function enlist(key, id, life)
  local score = life == -1 and 'inf' or now + life
  local before = redis.call('PTTL', key)
  local added = redis.pcall('ZADD', key, 'GT', score, id)
  if type(added) == 'table' then
    if not isIndex(key, now + lifetime) then return 2 end
    added = redis.call('ZADD', key, 'GT', score, id)
  end
  if life == -1 then redis.call('PERSIST', key)
  elseif before == -2 or (before >= 0 and before < life) then redis.call('PEXPIRE', key, life) end
  if added == 0 or before == -2 then return 0 end
  for _, expired in ipairs(redis.call('ZRANGEBYSCORE', key, ${TIMES_FROM_MS}, now, 'LIMIT', 0, ${EXPIRED_AT_ONCE})) do
    redis.call('ZREM', key, expired)
  end
  return 0
end

local answers = {}
for i = 1, #KEYS, 4 do
  local at = (i - 1) / 4 * 5 + 3
  local session, id, json, date, user = KEYS[i], ARGV[at + 1], ARGV[at + 2], tonumber(ARGV[at + 3]), ARGV[at + 4]
  local ended = tombstoneAt(KEYS[i + 1])
  local settled = ended and settledUntil(ended, id)
  local line, mark, stood = '', '', 0
  local life = redis.call('PTTL', session)
  local isSettled = settled and not (date and date > settled)
  local isFull = not isSettled and redis.call('HLEN', session) >= ${SESSION_REGISTRATIONS_MAX}
  if isFull then
    stood = redis.call('HEXISTS', session, id)
    isFull = stood == 0
  elseif not isSettled then stood = 1 - redis.call('HSETNX', session, id, json) end
  local standing = stood == 1 and redis.call('HGET', session, id)
  local stored = standing and date and dateOf(standing)
  -- The record from which it was made once comes again when the registry is built from the log.
  local isReopened = standing and reopenedAt(standing) and not (date and stored and date > stored)
  if isFull then line = 1
  elseif isSettled or stored and stored > date then line, stood = 0, 0
  else
    local foreign = enlist(KEYS[i + 2], ARGV[at], life == -1 and -1 or math.max(life, lifetime))
    if stood == 1 and not isReopened then redis.call('HSET', session, id, json) end
    if life == -2 or (life >= 0 and life < lifetime) then redis.call('PEXPIRE', session, lifetime) end
    if ended then
      local marks = marksOf(ended)
      if #marks == 0 then line = '-' end
      for n = #marks, 1, -1 do
        local meant = marks[n].fields[${USER_FIELD}]
        if not (date and date > marks[n].untilMs) and (not meant or meant == user) then line = marks[n].text end
      end
    end
    mark = redis.pcall('GETRANGE', KEYS[i + 3], 0, ${MARK_BYTES_MAX})
    if type(mark) == 'table' or #mark > ${MARK_BYTES_MAX} then mark, foreign = '', foreign + 4 end
    stood = stood + foreign
  end
  answers[#answers + 1] = line
  answers[#answers + 1] = mark
  answers[#answers + 1] = stood
end
return answers
`)

/**
 * KEYS: the user's mark and index. ARGV: the mark, its cut-off, its TTL in ms, when sessions of an earlier version's
 * index end, until when entries of the index have expired. A later mark stays. Returns a sum: 1 when there may be more
 * expired entries, 2 when the index, and 4 when the mark holds something else.
 */
export const signOutScript = redisScript(`
${MARKS_OF}
${INDEX_OF_USER}
${TRIM}
local foreign = 4
local standing = redis.pcall('GETRANGE', KEYS[1], 0, ${MARK_BYTES_MAX})
if type(standing) == 'string' then
  foreign = 0
  local mark = #standing <= ${MARK_BYTES_MAX} and marksOf(standing)[1]
  if mark and mark.untilMs >= tonumber(ARGV[2]) then redis.call('PEXPIRE', KEYS[1], ARGV[3])
  else redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[3]) end
end
if not isIndex(KEYS[2], ARGV[4]) then return foreign + 2 end
return foreign + (trim(KEYS[2], ARGV[5]) and 1 or 0)
`)

/** KEYS: a user's index. ARGV: until when its entries have expired. Returns 1 when there may be more of them. */
export const trimScript = redisScript(`
${TRIM}
return trim(KEYS[1], ARGV[1]) and 1 or 0
`)

/** What the script below answers for a session that it leaves alone. */
export const NOT_ENDED = { notMeant: 0, ofAnother: 1 } as const

/**
 * KEYS: sessions. ARGV: TTL of the tombstones in ms, then per session the mark, how long its registrations must live, the
 * user who must be one of theirs as JSON ('' for any), and the cut-off if it is to end only where that means something
 * ('' otherwise). Returns per session the marks that stood there already, a line each, or why it was left alone; its
 * registrations as a flat list of fields and values; and where they are too many for that, their names instead, or how many
 * they are. Where they take too much memory they are too many. When it has read a lot it answers for no more sessions. A mark that means more than those that stand there is
 * put behind them. A call per session would cost the client more than everything that is in it.
 */
export const endSessionsScript = redisScript(`
${DATE_OF}
${MARKS_OF}
${TOMBSTONE}
${STRETCH}
${BOUND}
-- Where no registration names a user nothing is known.
local function isOfAnother(fields, user)
  local text, isNamed = '"userId":' .. user, false
  for n = 2, #fields, 2 do
    if string.find(fields[n], text, 1, true) then return false end
  end
  local name = cjson.decode('[' .. user .. ']')[1]
  for n = 2, #fields, 2 do
    local isRead, data = pcall(cjson.decode, fields[n])
    local it = isRead and type(data) == 'table' and data.userId
    if it == name then return false end
    isNamed = isNamed or type(it) == 'string'
  end
  return isNamed
end

local function isMeant(fields, untilMs)
  local latest
  for n = 2, #fields, 2 do
    local date = dateOf(fields[n])
    if not date or date <= untilMs then return true end
    -- What a provider writes may have another member of that name within, or a date that can be none.
    local isRead, data = pcall(cjson.decode, fields[n])
    date = isRead and type(data) == 'table' and tonumber(data.registeredAt)
    latest = latest or tonumber(redis.call('TIME')[1]) * 1000 + ${2 * CLOCK_TOLERANCE_MS}
    if not date or date <= untilMs or date > latest then return true end
  end
  return false
end

-- As in trigger.ts.
local function isSameOrigin(a, b)
  if a[2] ~= b[2] or a[3] ~= b[3] or a[4] ~= b[4] then return false end
  local position = string.format('%s/%.0f/%.0f', a[2], a[3], a[4])
  return a[1] == b[1] or a[1] == position or b[1] == position
end

local function addMark(ended, line)
  local tombstone, mine = tombstoneAt(ended), cjson.decode(line)
  local marks, below = marksOf(tombstone)
  local texts, isKnown, isCovered, untilMs = {}, false, false, tonumber(mine[5]) or math.huge
  for n, mark in ipairs(marks) do
    local it = mark.fields
    texts[n] = mark.text
    local meant = it[${USER_FIELD}]
    if mark.untilMs >= untilMs and (not meant or meant == mine[${USER_FIELD}]) then isCovered = true end
    if isSameOrigin(it, mine) then
      isKnown = true
      -- Made from an outcome, or by an earlier version: the trigger itself knows more.
      if not tonumber(it[7]) then texts[n] = line end
    end
  end
  local standing = table.concat(texts, '\\n')
  if not isKnown and not isCovered then texts[#texts + 1] = line end
  local whole = table.concat(texts, '\\n\\t') .. below
  if whole ~= tombstone then redis.call('SET', ended, whole, 'KEEPTTL') end
  return standing
end

-- Their number instead, where one of them or all take too much memory.
local function namesOf(session, count)
  if count > ${SESSION_REGISTRATIONS_MAX} then return count, 0 end
  local names = redis.call('HKEYS', session)
  for _, name in ipairs(names) do
    if #name > ${NAME_BYTES_MAX} then return count, 0 end
  end
  local bytes = bytesOf(names)
  if bytes > ${NAMES_BYTES_MAX} then return count, 0 end
  return names, bytes
end

local found, read, held, at = {}, 0, 0, 2
for i = 1, #KEYS, 2 do
  if read > ${FIELDS_PER_CALL} or held > ${BYTES_PER_CALL} then break end
  local session, ended, mark, life = KEYS[i], KEYS[i + 1], ARGV[at], tonumber(ARGV[at + 1])
  local user, untilMs = ARGV[at + 2], ARGV[at + 3]
  at = at + 4
  local count = redis.call('HLEN', session)
  local isWhole = count <= ${WHOLE_MAX}
  local fields = isWhole and redis.call('HGETALL', session) or redis.call('HSCAN', session, 0, 'COUNT', ${SAMPLE})[2]
  local standing, more, bytes = '', 0, bytesOf(fields)
  read = read + #fields
  if bytes > ${WHOLE_BYTES_MAX} then isWhole, bytes = false, 0 end
  if not isWhole then bound(fields) end
  if isWhole and untilMs ~= '' and not isMeant(fields, tonumber(untilMs)) then standing, fields = ${NOT_ENDED.notMeant}, {}
  elseif user ~= '' and isOfAnother(fields, user) then standing, fields = ${NOT_ENDED.ofAnother}, {}
  else
    if not isWhole then
      more, bytes = namesOf(session, count)
      fields, read = {}, read + math.min(count, ${SESSION_REGISTRATIONS_MAX})
    end
    held = held + bytes
    if redis.call('SET', ended, mark, 'NX', 'PX', ARGV[1]) == false then
      standing = addMark(ended, mark)
      if redis.call('PTTL', ended) < tonumber(ARGV[1]) then redis.call('PEXPIRE', ended, ARGV[1]) end
    end
    if count > 0 then stretch(session, life) end
  end
  found[#found + 1] = standing
  found[#found + 1] = fields
  found[#found + 1] = more
end
return found
`)

/**
 * KEYS: sessions. ARGV: for each how many registrations, and oidcSessionId, date and JSON of the outcome of each. The
 * outcome becomes the last member of the registration's JSON, whose text is the identity provider's and stays as it is.
 * One that was made later under the same id is another one, and one that would be too large to be read stays as it is.
 */
export const notePendingScript = redisScript(`
${DATE_OF}
local at = 1
for i = 1, #KEYS, 2 do
  local last = at + 3 * tonumber(ARGV[at])
  for j = at + 1, last, 3 do
    local length = redis.call('HSTRLEN', KEYS[i], ARGV[j]) + #ARGV[j + 2]
    local json = length < ${REGISTRATION_BYTES_MAX} - 32 and redis.call('HGET', KEYS[i], ARGV[j])
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
${MARKS_OF}
${TOMBSTONE}
local function isDatedAfter(json, date)
  local standing = dateOf(json)
  return standing and standing > tonumber(date)
end
local left, at = {}, 1
for i = 1, #KEYS, 2 do
  local last = at + 2 * tonumber(ARGV[at])
  local ids, gone, lines, untilMs = {}, {}, {}, nil
  for j = at + 1, last, 2 do ids[#ids + 1] = ARGV[j] end
  local stored = redis.call('HMGET', KEYS[i], unpack(ids))
  local ended = redis.call('EXISTS', KEYS[i + 1]) == 1
  for n, id in ipairs(ids) do
    local date, json = ARGV[at + 2 * n], stored[n]
    if date == '' and ended then
      if not untilMs then
        local mark = marksOf(tombstoneAt(KEYS[i + 1]))[1]
        untilMs = mark and mark.untilMs or math.huge
      end
      date = untilMs < math.huge and string.format('%.0f', untilMs) or ''
    end
    -- The relay writes the date last, so that a look at the end tells in nearly all cases.
    local isLater = json and date ~= '' and string.sub(json, -#date - 1) ~= date .. '}' and isDatedAfter(json, date)
    if json and not isLater then gone[#gone + 1] = id end
    lines[n] = '\\n' .. id .. (date ~= '' and '\\t' .. date or '')
  end
  if #gone > 0 then redis.call('HDEL', KEYS[i], unpack(gone)) end
  if ended then redis.call('APPEND', KEYS[i + 1], table.concat(lines)) end
  left[#left + 1] = redis.call('HLEN', KEYS[i])
  at = last + 1
end
return left
`)

/**
 * KEYS: indexes of users. ARGV: a time in ms, then the session that leaves each; one whose life does not end before that
 * time stays. What holds something else is left alone.
 */
export const leaveIndexScript = redisScript(`
for i = 1, #KEYS do
  local id = ARGV[i + 1]
  local endsAt = redis.pcall('ZSCORE', KEYS[i], id)
  if type(endsAt) == 'table' then redis.pcall('SREM', KEYS[i], id)
  elseif endsAt and tonumber(endsAt) < tonumber(ARGV[1]) then redis.call('ZREM', KEYS[i], id) end
end
return {}
`)

/**
 * KEYS: sessions. ARGV: TTL of a tombstone in ms, then for each session its mark, how many registrations, and
 * oidcSessionId, date, when its outcome was written, and whether it may still come, of each. Removes them, and notes on the
 * tombstone those that were not there or may come again. One that was reopened after its outcome is owed.
 */
export const forgetScript = redisScript(`
${DATE_OF}
${REOPENED_AT}
local at = 2
for i = 1, #KEYS, 2 do
  local last, lines = at + 1 + 4 * tonumber(ARGV[at + 1]), {}
  for j = at + 2, last, 4 do
    local id, stored = ARGV[j], redis.call('HGET', KEYS[i], ARGV[j])
    local date = dateOf(stored)
    local reopened = reopenedAt(stored)
    local isOwed = reopened and reopened >= tonumber(ARGV[j + 2])
    local isMeant = stored and not isOwed and not (date and date > tonumber(ARGV[j + 1]))
    if isMeant then redis.call('HDEL', KEYS[i], id) end
    if not isOwed and (not isMeant or ARGV[j + 3] == '1') then lines[#lines + 1] = '\\n' .. id .. '\\t' .. ARGV[j + 1] end
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

/**
 * KEYS: tombstones. ARGV: for each an oidcSessionId. Returns up to which date each is settled: '' where it is not or nobody
 * can tell, 'inf' where an earlier version says so without a date.
 */
export const settledScript = redisScript(`
${SETTLED_UNTIL}
local answer = {}
for i, id in ipairs(ARGV) do
  local length = redis.pcall('STRLEN', KEYS[i])
  local isRead = type(length) == 'number' and length > 0 and length <= ${TOMBSTONE_BYTES_MAX}
  local date = isRead and settledUntil(redis.call('GET', KEYS[i]), id)
  answer[i] = not date and '' or date == math.huge and 'inf' or string.format('%.0f', date)
end
return answer
`)

/** KEYS: a session and its tombstone. ARGV: how long they must live, in ms. */
export const stretchScript = redisScript(`
${STRETCH}
for _, key in ipairs(KEYS) do stretch(key, tonumber(ARGV[1])) end
return #KEYS
`)
