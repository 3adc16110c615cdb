import { CLOCK_TOLERANCE_MS } from '../events/claimed-time.ts'
import { BOUND, MARK_BYTES_MAX, NAME_BYTES_MAX, WHOLE_BYTES_MAX, WHOLE_MAX } from './bounded-reads.ts'
import {
  DATE_OF,
  INDEX_OF_USER,
  MARKS_OF,
  STRETCH,
  TIMES_FROM_MS,
  TOMBSTONE,
  USER_FIELD,
} from './lua-parts.ts'
import { redisScript } from './redis-script.ts'
import { SESSION_REGISTRATIONS_MAX } from './register-script.ts'

/** Expired entries that a sign-out removes in one call. */
const EXPIRED_PER_CALL = 500

/** Registrations that are sampled for their user, of a session that is read in parts. */
const SAMPLE = 100
/** After so many fields a call leaves its remaining sessions for another call. */
const FIELDS_PER_CALL = 4_000
/** And after so many bytes. */
const BYTES_PER_CALL = 2_097_152
/** Above so many bytes of names, a session is scanned instead. */
const NAMES_BYTES_MAX = 4_194_304

/** Removes entries of a user's index that expired before `now`. Returns whether there may be more. */
const TRIM = `
local function trim(key, now)
  local expired = redis.call('ZRANGEBYSCORE', key, ${TIMES_FROM_MS}, now, 'LIMIT', 0, ${EXPIRED_PER_CALL})
  if #expired > 0 then redis.call('ZREM', key, unpack(expired)) end
  return #expired == ${EXPIRED_PER_CALL}
end`

/** Whether an entry of a user's index belongs to a session that is over. */
export function hasExpired(score: number, nowMs: number): boolean {
  return score >= TIMES_FROM_MS && score <= nowMs
}

/**
 * KEYS: the user's mark and index. ARGV: the mark, its cut-off, its TTL in ms, the end of sessions from an earlier version's
 * index, the time before which entries have expired. A later mark stays. Returns a sum: 1 if there may be more expired
 * entries, 2 if the index and 4 if the mark holds foreign data.
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

/** KEYS: a user's index. ARGV: the time before which entries have expired. Returns 1 if there may be more. */
export const trimScript = redisScript(`
${TRIM}
return trim(KEYS[1], ARGV[1]) and 1 or 0
`)

/** The script below answers these for a session that it does not end. */
export const NOT_ENDED = { notMeant: 0, ofAnother: 1 } as const

/**
 * KEYS: sessions. ARGV: TTL of the tombstones in ms; then per session the mark, the TTL that its registrations need, the user
 * who must own one of them as JSON ('' for any), and a cut-off if the session should only end when a registration is covered
 * ('' otherwise). Returns three items per session: the marks that were there, one per line, or why it did not end; its
 * registrations as a flat list of fields and values; and, if they are too many or too large for that, their names, or their
 * number. After reading a lot it answers for no more sessions. A mark that covers more than the existing ones is appended to
 * them. One call for many sessions, because a call for each would cost the client more than their content.
 */
export const endSessionsScript = redisScript(`
${DATE_OF}
${MARKS_OF}
${TOMBSTONE}
${STRETCH}
${BOUND}
-- If no registration names a user, the owner is unknown.
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
    -- A provider's JSON may contain a nested member of that name, or an impossible date.
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
      -- It was made from an outcome, or by an earlier version. The trigger itself knows more.
      if not tonumber(it[7]) then texts[n] = line end
    end
  end
  local standing = table.concat(texts, '\\n')
  if not isKnown and not isCovered then texts[#texts + 1] = line end
  local whole = table.concat(texts, '\\n\\t') .. below
  if whole ~= tombstone then redis.call('SET', ended, whole, 'KEEPTTL') end
  return standing
end

-- Returns their number instead if one of them, or all together, use too much memory.
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
