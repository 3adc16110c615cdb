import { HISTORY_MAX } from '../registry/client-history.ts'
import { SETTING_BYTES_MAX } from './bounded-reads.ts'
import { redisScript } from './redis-script.ts'

/*
 * A client's hash holds its settings by name. Beside each that a record has set stands `at:<name>`: the time of the record in
 * milliseconds, its offset, its topic and partition. So records have the same effect in any order, and once more. A setting
 * without `at:` was written by somebody else; the next record that names it replaces it. `states` holds the changes of the
 * state, `at:removed` the last removal.
 */

/** Both histories, as `mergeHistories` has them. */
const MERGED = `
local function merged(first, second)
  local states, times = {}, {}
  for _, text in ipairs({ first, second }) do
    for ms, state in string.gmatch(text, '(%d+) (%l+)') do
      if not states[ms] then times[#times + 1] = ms end
      states[ms] = state
    end
  end
  table.sort(times, function(a, b) return tonumber(a) < tonumber(b) end)
  while #times > ${HISTORY_MAX} do
    local at = 1
    for i = #times, 2, -1 do if states[times[i]] == states[times[i - 1]] then at = i end end
    table.remove(times, at)
  end
  for i, ms in ipairs(times) do times[i] = ms .. ' ' .. states[ms] end
  return table.concat(times, ' ')
end`

/** A field, or '' if it is missing or larger than the relay writes. */
const BOUNDED = `
local function bounded(field)
  local length = redis.call('HSTRLEN', KEYS[1], field)
  return length > 0 and length <= ${SETTING_BYTES_MAX} and redis.call('HGET', KEYS[1], field) or ''
end`

const IS_LATER = `
local ms, offset, place = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3]
local function isLaterThan(name)
  local atMs, atOffset, atPlace = string.match(bounded('at:' .. name), '^(%d+) (%d+) (.+)$')
  if not atMs then return true end
  if tonumber(atMs) ~= ms then return tonumber(atMs) < ms end
  if atPlace ~= place then return atPlace < place end
  return tonumber(atOffset) < offset
end
local at = ARGV[1] .. ' ' .. ARGV[2] .. ' ' .. ARGV[3]`

/**
 * KEYS: the hash. ARGV: time, offset and place of the record, its state or '', then pairs of setting and value. Returns all
 * changes of the state.
 */
export const configureClientScript = redisScript(`${MERGED}${BOUNDED}${IS_LATER}
if not isLaterThan('removed') then return bounded('states') end
for i = 5, #ARGV, 2 do
  if isLaterThan(ARGV[i]) then redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1], 'at:' .. ARGV[i], at) end
end
local states = bounded('states')
if ARGV[4] ~= '' then
  states = merged(states, ARGV[1] .. ' ' .. ARGV[4])
  redis.call('HSET', KEYS[1], 'states', states)
end
if redis.call('HEXISTS', KEYS[1], 'at:removed') == 1 then redis.call('PERSIST', KEYS[1]) end
return states
`)

/**
 * KEYS: the hash. ARGV: time, offset and place of the record, how long a removal is remembered in ms, then the names of all
 * settings. Keeps what no record has set. Returns all changes of the state.
 */
export const removeClientScript = redisScript(`${MERGED}${BOUNDED}${IS_LATER}
local states = bounded('states')
if not isLaterThan('removed') then return states end
redis.call('HSET', KEYS[1], 'at:removed', at)
for i = 5, #ARGV do
  if bounded('at:' .. ARGV[i]) ~= '' and isLaterThan(ARGV[i]) then
    redis.call('HDEL', KEYS[1], ARGV[i], 'at:' .. ARGV[i])
  end
end
if states ~= '' then
  states = merged(states, ARGV[1] .. ' active')
  redis.call('HSET', KEYS[1], 'states', states)
end
if redis.call('HLEN', KEYS[1]) == (states == '' and 1 or 2) then redis.call('PEXPIRE', KEYS[1], ARGV[4]) end
return states
`)

/** Names the content of the index; no client has it, because its name has a bar. */
export const VERSION_FIELD = 'version'

/**
 * KEYS: the index of all clients that are or were not active. ARGV: a new version, then pairs of a client and changes of its
 * state, which are added to those that are known.
 */
export const noteStatesScript = redisScript(`${MERGED}${BOUNDED}
local changed = 0
for i = 2, #ARGV, 2 do
  local before = bounded(ARGV[i])
  local states = merged(before, ARGV[i + 1])
  if states ~= before then
    redis.call('HSET', KEYS[1], ARGV[i], states)
    changed = changed + 1
  end
end
if changed > 0 then redis.call('HSET', KEYS[1], '${VERSION_FIELD}', ARGV[1]) end
return changed
`)
