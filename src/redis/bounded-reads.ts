import { redisScript } from './redis-script.ts'

/*
 * Anybody who may write to Redis may write hundreds of megabytes into one value. So scripts check sizes inside Redis. A value
 * that is too large for the relay never leaves Redis; its length is returned in its place, as a number.
 */

/** Of a registration's JSON. Ids and URI take a third of it even if every character needs three bytes. */
export const REGISTRATION_BYTES_MAX = 65_536
/** Of the name of a session, a registration or an RP: 1,024 characters of any script fit. */
export const NAME_BYTES_MAX = 4_096
/** Of the mark of an ending: two ids, a topic name and a trace context. */
export const MARK_BYTES_MAX = 16_384
/** Of a tombstone, which has a line for each settled registration. */
export const TOMBSTONE_BYTES_MAX = 33_554_432
/** Of a parked delivery: the names and the mark without the user. Also of its progress. */
export const PARKED_BYTES_MAX = 16_384
/** Of a setting of an RP: a URI has 2,048 characters. */
export const SETTING_BYTES_MAX = 8_192

/** Registrations that are read at once. Larger sessions, and those above the bytes below, are read in parts. */
export const WHOLE_MAX = 1_000
export const WHOLE_BYTES_MAX = 1_048_576

/** For a flat list of names and values. A truncated name matches no registration. */
export const BOUND = `
local function bytesOf(texts)
  local bytes = 0
  for n = 1, #texts do bytes = bytes + #texts[n] end
  return bytes
end
local function bound(fields)
  for n = 1, #fields, 2 do
    fields[n] = string.sub(fields[n], 1, ${NAME_BYTES_MAX})
    if #fields[n + 1] > ${REGISTRATION_BYTES_MAX} then fields[n + 1] = #fields[n + 1] end
  end
  return fields
end`

/** Stands for a value whose key is not a hash. */
export const NO_HASH = -1

/**
 * KEYS: one hash for all fields, or one for each. ARGV: field names. Returns the values; the length of one that is too large;
 * `NO_HASH` if its key is not a hash.
 */
export const readFieldsScript = redisScript(`
local answer = {}
for i, name in ipairs(ARGV) do
  local key = KEYS[#KEYS == 1 and 1 or i]
  local length = redis.pcall('HSTRLEN', key, name)
  if type(length) == 'table' then answer[i] = ${NO_HASH}
  elseif length > ${REGISTRATION_BYTES_MAX} then answer[i] = length
  else answer[i] = redis.call('HGET', key, name) end
end
return answer
`)

/** KEYS: a session. Returns its fields and values as a flat list, or 0 if it must be read in parts. */
export const readWholeScript = redisScript(`
${BOUND}
if redis.call('HLEN', KEYS[1]) > ${WHOLE_MAX} then return 0 end
local fields = redis.call('HGETALL', KEYS[1])
return bytesOf(fields) <= ${WHOLE_BYTES_MAX} and bound(fields) or 0
`)

/** KEYS: a session. ARGV: cursor, count. Answers as `HSCAN`, with the length of each value that is too large. */
export const scanFieldsScript = redisScript(`
${BOUND}
local reply = redis.call('HSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2])
return { reply[1], bound(reply[2]) }
`)

/** KEYS: a session. ARGV: cursor, count. Returns the next cursor and the field names, without those too long for an id. */
export const scanNamesScript = redisScript(`
local reply, names = redis.call('HSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2]), {}
for n = 1, #reply[2], 2 do
  if #reply[2][n] <= ${NAME_BYTES_MAX} then names[#names + 1] = reply[2][n] end
end
return { reply[1], names }
`)

/**
 * KEYS: a sorted set. ARGV: cursor, count, the longest member in bytes, an optional pattern. Answers as `ZSCAN` without the
 * longer members, plus their number.
 */
export const scanMembersScript = redisScript(`
local args = { KEYS[1], ARGV[1], 'COUNT', ARGV[2] }
if ARGV[4] then args[5], args[6] = 'MATCH', ARGV[4] end
local reply, members, left = redis.call('ZSCAN', unpack(args)), {}, 0
for n = 1, #reply[2], 2 do
  if #reply[2][n] > tonumber(ARGV[3]) then left = left + 1
  else
    members[#members + 1] = reply[2][n]
    members[#members + 1] = reply[2][n + 1]
  end
end
return { reply[1], members, left }
`)

/** KEYS: a key of the relay. ARGV: a limit in bytes. Returns 1 if something in it is larger, else 0. */
export const isOversizeScript = redisScript(`
local kind = redis.call('TYPE', KEYS[1]).ok
if kind == 'string' then return redis.call('STRLEN', KEYS[1]) > tonumber(ARGV[1]) and 1 or 0 end
if kind == 'hash' and redis.call('HLEN', KEYS[1]) <= ${WHOLE_MAX} then
  for _, name in ipairs(redis.call('HKEYS', KEYS[1])) do
    if #name > ${NAME_BYTES_MAX} or redis.call('HSTRLEN', KEYS[1], name) > tonumber(ARGV[1]) then return 1 end
  end
elseif kind == 'zset' then
  for _, member in ipairs(redis.call('ZRANGE', KEYS[1], 0, ${WHOLE_MAX})) do
    if #member > tonumber(ARGV[1]) then return 1 end
  end
end
return 0
`)
