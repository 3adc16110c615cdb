import { isLoopbackHost } from '../lib/loopback-host.ts'
import type { RedisFacts } from './facts.ts'
import { hint, type Judgement, measuredText, ok, warning } from './judgement.ts'
import type { EpochFacts, RedisServerFacts } from './redis-server-facts.ts'
import { shownRedisUrl } from './shown-uri.ts'

/** The oldest on which the tests run. */
const TESTED_VERSION = [6, 2] as const
const PING_MS_MAX = 20
const MEMORY_SHARE_MAX = 0.9

/**
 * Who listens between relay and Redis must not read the password, nor who is logged in where. `hasPassword`: there is
 * one beside the URL.
 */
export function judgeTransport(redisUrl: string, hasPassword: boolean): Judgement {
  const { protocol, hostname, password } = new URL(redisUrl)
  const shown = shownRedisUrl(redisUrl)
  if (protocol === 'rediss:') return ok(`${shown} is reached over TLS`)
  if (isLoopbackHost(hostname)) return ok(`${shown} is on this machine, without TLS`)
  const mend = 'let Redis speak TLS, and use rediss:// in REDIS_URL'
  return password === '' && !hasPassword
    ? hint(`${shown} is reached without TLS: whoever listens on the way reads who is logged in where`, mend)
    : warning(`${shown} is reached without TLS: its password goes over the network in clear`, mend)
}

export function judgeVersion(version: RedisServerFacts['version']): Judgement {
  if ('unread' in version)
    return hint(`the version could not be read: ${version.unread}`, 'let the user of REDIS_URL run INFO')
  const [major = 0, minor = 0] = (/(\d+)\.(\d+)/.exec(version.value) ?? []).slice(1).map(Number)
  const isTested = major > TESTED_VERSION[0] || (major === TESTED_VERSION[0] && minor >= TESTED_VERSION[1])
  if (isTested) return ok(version.value)
  return warning(
    `${version.value} is older than any version that the relay is tested with`,
    `use ${TESTED_VERSION.join('.')} or newer`,
  )
}

export function judgeLatency(pingMs: number): Judgement {
  const text = `a PING takes ${measuredText(pingMs)} at best`
  if (pingMs <= PING_MS_MAX) return ok(text)
  return warning(
    `${text}: every logout needs several such round trips, and so the relay falls behind`,
    'bring Redis near the relay; see in SLOWLOG whether other commands hold it up',
  )
}

export function judgeMemory(memory: RedisServerFacts['memory']): Judgement {
  if ('unread' in memory)
    return hint(`its memory could not be read: ${memory.unread}`, 'let the user of REDIS_URL run INFO')
  const { usedBytes, maxBytes } = memory.value
  if (maxBytes === 0) return ok(`${bytesText(usedBytes)} in use, without a bound (maxmemory 0)`)
  const text = `${bytesText(usedBytes)} of ${bytesText(maxBytes)} in use (${Math.round((100 * usedBytes) / maxBytes)} %)`
  if (usedBytes <= MEMORY_SHARE_MAX * maxBytes) return ok(text)
  return warning(
    `${text}: when it is full Redis refuses writes or drops keys, as its policy says`,
    'raise maxmemory; see by the metric logout_relay_backlog_deliveries whether a backlog has grown',
  )
}

/** Without the marker the registry is lost, or was never built; relays notice that and build it from the topic. */
export function judgeEpoch(prefix: string, epoch: RedisServerFacts['epoch']): Judgement {
  const key = `${prefix}:epoch`
  if ('unread' in epoch)
    return hint(`${key} could not be read: ${epoch.unread}`, `let the user of REDIS_URL read ${key}`)
  const { isSet, isOfThisRun, isRebuilding, isInUse } = epoch.value
  if (isRebuilding) {
    return warning(
      'a relay builds the registry from the topic, and takes up no triggers meanwhile',
      'wait; its progress is in the log and in the metric logout_relay_rebuild_records',
    )
  }
  if (isSet && isOfThisRun !== false) return ok(`${key} is there: Redis holds what the topic says`)
  return isSet ? ofAnotherRun(key) : missing(key, isInUse)
}

function ofAnotherRun(key: string): Judgement {
  return warning(
    `${key} was set on another run of this server, whose data may be old: a restart or a failover`,
    'nothing, when a relay runs: it builds the registry from the topic again; else start one',
  )
}

function missing(key: string, isInUse: EpochFacts['isInUse']): Judgement {
  return isInUse
    ? warning(
        `${key} is gone: Redis has lost its data, or somebody has deleted the key to have it built again`,
        'nothing, when a relay runs: it builds the registry from the topic again; else start one',
      )
    : hint(`${key} is not there: no relay has used this prefix yet`, 'start a relay, or correct REDIS_PREFIX')
}

/** What is in order where a check of the service has nothing to say. */
export const soundRedis: Readonly<Record<string, (facts: RedisFacts) => string | undefined>> = {
  'redis-writable': () => 'the server takes writes',
  'redis-keys': ({ prefix, prefixedKeys }) =>
    'value' in prefixedKeys
      ? `${prefixedKeys.value.length} key(s) under ${prefix}: looked at, all as the layout says`
      : undefined,
  'redis-eviction': ({ eviction }) =>
    'value' in eviction ? `maxmemory-policy ${eviction.value.policy}` : undefined,
  'redis-evicted': ({ evictedKeys }) => ('value' in evictedKeys ? 'no key was dropped' : undefined),
  'redis-group': ({ groupId, prefix }) =>
    'value' in groupId
      ? groupId.value === undefined
        ? `no group has used the prefix ${prefix} yet`
        : `${groupId.value} uses the prefix ${prefix}`
      : undefined,
  'redis-persistence': ({ persistence }) =>
    'value' in persistence ? (persistence.value.appendOnly ? 'append-only file' : 'snapshots') : undefined,
  'redis-shared-database': ({ foreignKeys }) =>
    'value' in foreignKeys
      ? 'no keys of other applications in the database, as far as was looked'
      : undefined,
}

function bytesText(bytes: number): string {
  return bytes < 1_024 ** 3
    ? `${(bytes / 1_024 ** 2).toFixed(1)} MiB`
    : `${(bytes / 1_024 ** 3).toFixed(1)} GiB`
}
