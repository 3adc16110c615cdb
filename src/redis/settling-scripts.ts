import { REGISTRATION_BYTES_MAX, TOMBSTONE_BYTES_MAX } from './bounded-reads.ts'
import {
  DATE_OF,
  KEEP,
  MARKS_OF,
  REMOVE,
  REOPENED_AT,
  SETTLED_UNTIL,
  STRETCH,
  TOMBSTONE,
} from './lua-parts.ts'
import type { RedisScript } from './redis-connection.ts'
import { redisScript } from './redis-script.ts'

/**
 * KEYS: sessions. ARGV: per session the number of registrations, then oidcSessionId, date and outcome JSON of each. Appends
 * the outcome to the registration's JSON, which is the identity provider's text and otherwise stays as it is. Skips a
 * registration that was made later under the same id, and one that would become too large.
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

export interface SettlingScripts {
  /**
   * KEYS: sessions. ARGV: per session the number of registrations, then oidcSessionId and date of each; a date of '' means the
   * ending's cut-off. Returns the number of registrations left in each session.
   */
  readonly settle: RedisScript
  /**
   * KEYS: sessions. ARGV: TTL of a tombstone in ms; then per session its mark, the number of registrations, and of each
   * oidcSessionId, date, time of its outcome, and whether its record may still come. Removes the registrations. Notes on the
   * tombstone those that were missing or may come again. Keeps one that was reopened after its outcome.
   */
  readonly forget: RedisScript
}

const settleScript = (leave: string) =>
  redisScript(`
${DATE_OF}
${leave}
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
    -- The relay writes the date last, so comparing the end of the JSON nearly always suffices.
    local isLater = json and date ~= '' and string.sub(json, -#date - 1) ~= date .. '}' and isDatedAfter(json, date)
    if json and not isLater then gone[#gone + 1] = id end
    lines[n] = '\\n' .. id .. (date ~= '' and '\\t' .. date or '')
  end
  if #gone > 0 then leave(KEYS[i], unpack(gone)) end
  if ended then redis.call('APPEND', KEYS[i + 1], table.concat(lines)) end
  left[#left + 1] = redis.call('HLEN', KEYS[i])
  at = last + 1
end
return left
`)

/**
 * KEYS: indexes of users. ARGV: a time in ms, then the session to remove from each. Keeps an entry that ends at that time or
 * later, and foreign keys.
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

const forgetScript = (leave: string) =>
  redisScript(`
${DATE_OF}
${leave}
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
    if isMeant then leave(KEYS[i], id) end
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

const removing: SettlingScripts = { settle: settleScript(REMOVE), forget: forgetScript(REMOVE) }
const keeping: SettlingScripts = { settle: settleScript(KEEP), forget: forgetScript(KEEP) }

/** In shadow mode settled registrations stay, with a mark. */
export function settlingScripts(mode: 'live' | 'shadow'): SettlingScripts {
  return mode === 'shadow' ? keeping : removing
}

/**
 * KEYS: tombstones. ARGV: an oidcSessionId for each. Returns the date up to which each is settled: '' if it is not or that is
 * unknown, 'inf' if an earlier version wrote no date.
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

/** KEYS: a session and its tombstone. ARGV: the TTL that they need, in ms. */
export const stretchScript = redisScript(`
${STRETCH}
for _, key in ipairs(KEYS) do stretch(key, tonumber(ARGV[1])) end
return #KEYS
`)
