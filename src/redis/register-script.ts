import { MARK_BYTES_MAX } from './bounded-reads.ts'
import {
  DATE_OF,
  INDEX_OF_USER,
  MARKS_OF,
  REOPENED_AT,
  SETTLED_UNTIL,
  SHADOWED,
  TIMES_FROM_MS,
  TOMBSTONE,
  USER_FIELD,
} from './lua-parts.ts'
import { redisScript } from './redis-script.ts'

/** Registrations that the relay stores per session. An identity provider may write more; those are read as well. */
export const SESSION_REGISTRATIONS_MAX = 20_000

/** Expired entries that leave a user's index when the user gets a new session. */
const EXPIRED_AT_ONCE = 8

/**
 * KEYS: per registration its session and tombstone, its user's index and sign-out mark. ARGV: session lifetime in ms, now;
 * then per registration session id, oidcSessionId, JSON, date ('' without one), user id. Returns three items per
 * registration. First the mark of the ending that covers it ('-' for a tombstone without marks, '' for no ending), 0 if it is
 * settled or replaced by a later one, 1 if the session is full. Second the sign-out mark, or ''. Third a sum: 1 if a
 * registration with that id was there, 2 if the user's index and 4 if the mark holds foreign data.
 */
export const registerScript = redisScript(`
${DATE_OF}
${REOPENED_AT}
${MARKS_OF}
${SETTLED_UNTIL}
${TOMBSTONE}
${INDEX_OF_USER}
local lifetime, now = tonumber(ARGV[1]), tonumber(ARGV[2])

-- A broken user index must not prevent a registration.
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
  -- The record of a reopened registration comes again when the registry is rebuilt from the log.
  -- It was settled in shadow mode, and its tombstone may be gone.
  local isShadowed = standing and string.sub(standing, -${SHADOWED.length}) == '${SHADOWED}' and not (date and stored and date > stored)
  local isReopened = standing and reopenedAt(standing) and not (date and stored and date > stored)
  if isFull then line = 1
  elseif isSettled or isShadowed or stored and stored > date then line, stood = 0, 0
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
