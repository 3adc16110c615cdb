import { isLoopbackHost } from '../lib/loopback-host.ts'
import type { Check } from './check.ts'
import type { Expectations, RedisFacts, RedisServerFacts, Refusal } from './facts.ts'
import { error, type Found, hint, measuredText, ok, unreadHint, warning } from './finding.ts'
import { redisContentChecks } from './redis-content.ts'
import { shownRedisUrl } from './shown-uri.ts'

/** The oldest on which the tests run. */
const TESTED_VERSION = [6, 2] as const
const PING_MS_MAX = 20
const MEMORY_SHARE_MAX = 0.9

/**
 * Who listens between relay and Redis must not read the password, nor who is logged in where. `hasPassword`: there is
 * one beside the URL.
 */
export function checkTransport(redisUrl: string, hasPassword: boolean): Found {
  const { protocol, hostname, password } = new URL(redisUrl)
  const shown = shownRedisUrl(redisUrl)
  if (protocol === 'rediss:') return ok(`${shown} is reached over TLS`)
  if (isLoopbackHost(hostname)) return ok(`${shown} is on this machine, without TLS`)
  const remedy = 'enable TLS in Redis, and use rediss:// in REDIS_URL'
  return password === '' && !hasPassword
    ? hint(`${shown} is reached without TLS, so the network sees who is logged in where`, remedy)
    : warning(`${shown} is reached without TLS, so the network sees its password in clear text`, remedy)
}

export function checkVersion({ version }: Pick<RedisServerFacts, 'version'>): Found {
  if ('unread' in version)
    return unreadHint('the version', version, 'allow the user of REDIS_URL to run INFO')
  const [major = 0, minor = 0] = (/(\d+)\.(\d+)/.exec(version.value) ?? []).slice(1).map(Number)
  const isTested = major > TESTED_VERSION[0] || (major === TESTED_VERSION[0] && minor >= TESTED_VERSION[1])
  if (isTested) return ok(version.value)
  return warning(
    `${version.value} is older than the versions that the relay is tested with`,
    `use ${TESTED_VERSION.join('.')} or newer`,
  )
}

export function checkLatency({ pingMs }: Pick<RedisServerFacts, 'pingMs'>): Found {
  const text = `a PING takes ${measuredText(pingMs)} at best`
  if (pingMs <= PING_MS_MAX) return ok(text)
  return warning(
    `${text}: every logout needs several round trips, so the relay falls behind`,
    'move Redis near the relay; check SLOWLOG for slow commands',
  )
}

export function checkMemory({ memory }: Pick<RedisServerFacts, 'memory'>): Found {
  if ('unread' in memory) return unreadHint('its memory', memory, 'allow the user of REDIS_URL to run INFO')
  const { usedBytes, maxBytes } = memory.value
  if (maxBytes === 0) return ok(`${bytesText(usedBytes)} in use, without a limit (maxmemory 0)`)
  const text = `${bytesText(usedBytes)} of ${bytesText(maxBytes)} in use (${Math.round((100 * usedBytes) / maxBytes)} %)`
  if (usedBytes <= MEMORY_SHARE_MAX * maxBytes) return ok(text)
  return warning(
    `${text}: when it is full, Redis refuses writes or drops keys, depending on its policy`,
    'raise maxmemory; check the metric logout_relay_backlog_deliveries for a growing backlog',
  )
}

function bytesText(bytes: number): string {
  return bytes < 1_024 ** 3
    ? `${(bytes / 1_024 ** 2).toFixed(1)} MiB`
    : `${(bytes / 1_024 ** 3).toFixed(1)} GiB`
}

const nameThePrimary = 'set REDIS_URL to the primary, or promote this server'
const freeTheDisk =
  'free disk space, or correct the permissions of its data directory; its log names the reason'

/** What a refused write means and the remedy, by the first word of the error. */
const refusedWrites: Readonly<Record<string, readonly [text: string, remedy: string]>> = {
  READONLY: ['Redis is a read-only replica', nameThePrimary],
  MISCONF: ['Redis refuses writes because it cannot save its data to disk', freeTheDisk],
  OOM: ['Redis has reached maxmemory and refuses writes', 'raise maxmemory, or remove other data'],
  NOREPLICAS: [
    'Redis refuses writes because too few replicas are connected',
    'start its replicas, or lower min-replicas-to-write',
  ],
  NOPERM: [
    'the user of REDIS_URL may not write',
    'grant it read, write and scripting commands on the keys of the prefix',
  ],
  LOADING: ['Redis is still loading its data', 'wait until it is ready'],
}

/** Without writes no logout can be parked or marked as sent; on a replica that takes them they are lost again. */
export function checkWritable({ refusedWrite, role }: Pick<RedisFacts, 'refusedWrite' | 'role'>): Found {
  const master = 'value' in role ? role.value.master : undefined
  if (refusedWrite !== undefined) return refused(refusedWrite, master)
  if ('unread' in role || !role.value.isReplica) return ok('the server accepts writes')
  return error(
    `Redis is a replica${of(master)} that accepts writes: it loses them when it synchronizes`,
    nameThePrimary,
  )
}

function refused({ code, message }: Refusal, master: string | undefined): Found {
  const [text, remedy] = refusedWrites[code] ?? ['Redis refuses writes', 'read the log of Redis']
  return error(
    `${text}${code === 'READONLY' ? of(master) : ''}: ` +
      `the relay cannot record outcomes, so it stops reading triggers (${message})`,
    remedy,
    code,
  )
}

function of(master: string | undefined): string {
  return master === undefined ? '' : ` of ${master}`
}

/** An evicted registration is a logout that nobody sends, and nobody notices. */
export function checkEviction({ eviction }: Pick<RedisFacts, 'eviction'>): Found {
  if ('unread' in eviction) {
    const remedy =
      'allow the user of REDIS_URL to run INFO or CONFIG GET, or ensure that the policy is noeviction'
    return unreadHint('the eviction policy of Redis', eviction, remedy)
  }
  const { policy, maxMemoryBytes } = eviction.value
  if (policy === 'noeviction') return ok(`maxmemory-policy ${policy}`)
  const when = maxMemoryBytes === 0 ? 'once maxmemory is set and reached' : 'when its memory is full'
  const victims = policy.startsWith('volatile')
    ? 'registrations and tombstones'
    : 'registrations, tombstones and parked deliveries'
  return warning(
    `Redis runs with maxmemory-policy ${policy}: ${when}, it drops ${victims}, and their logouts are never sent`,
    'set maxmemory-policy to noeviction',
  )
}

/** A policy says what may happen; this says that it has. Redis does not tell which keys it dropped. */
export function checkEvicted({ prefix, evictedKeys }: Pick<RedisFacts, 'prefix' | 'evictedKeys'>): Found[] {
  // That INFO may not be run is told by the check of the policy.
  if ('unread' in evictedKeys) return []
  if (evictedKeys.value === 0) return [ok('no key was dropped')]
  return [
    warning(
      `Redis has evicted ${evictedKeys.value} keys since its start: registrations or parked ` +
        'deliveries may be among them; their logouts are not sent',
      `set maxmemory-policy to noeviction and give it more memory; then delete ${prefix}:epoch, so that ` +
        'a relay rebuilds Redis from the topic; CONFIG RESETSTAT ends this warning',
    ),
  ]
}

/** A Redis that forgets is rebuilt from the topic, so persistence saves time and the deliveries of other sources. */
export function checkPersistence({ persistence }: Pick<RedisFacts, 'persistence'>): Found {
  if ('unread' in persistence) {
    const remedy = 'allow the user of REDIS_URL to run INFO, or ensure that Redis has an append-only file'
    return unreadHint('how Redis persists its data', persistence, remedy)
  }
  const { appendOnly, snapshots, isFailing } = persistence.value
  if (isFailing) {
    return warning('Redis could not save its data to disk: a restart loses the latest changes', freeTheDisk)
  }
  if (appendOnly) return ok('append-only file')
  if (snapshots === true) return ok('snapshots')
  const how =
    snapshots === undefined
      ? 'Redis has no append-only file (snapshots: unknown)'
      : 'Redis keeps its data in memory only'
  return hint(
    `${how}: after a restart of Redis, a relay rebuilds the registrations from the topic ` +
      'as far as its retention reaches; those written to Redis directly are lost',
    'set appendonly yes',
  )
}

/** Without the marker the registry is lost, or was never built; relays notice that and build it from the topic. */
export function checkEpoch({ prefix, epoch }: Pick<RedisServerFacts, 'prefix' | 'epoch'>): Found {
  const key = `${prefix}:epoch`
  if ('unread' in epoch) return unreadHint(key, epoch, `allow the user of REDIS_URL to read ${key}`)
  const { isSet, isOfThisRun, isRebuilding, isInUse, hasPositions } = epoch.value
  if (isRebuilding) {
    return warning(
      'a relay rebuilds Redis from the topic, and reads no triggers meanwhile',
      'wait; the log and the metric logout_relay_rebuild_records show the progress',
    )
  }
  if (isSet && isOfThisRun !== false) return ok(`${key} exists: Redis agrees with the topic`)
  if (!isSet && !isInUse) {
    const text = `${key} is missing: no relay has used this prefix yet`
    return hint(text, 'start a relay, or correct REDIS_PREFIX')
  }
  if (!isSet && !hasPositions) {
    return warning(
      `${key} is missing: a relay has started with this prefix and has not built the registry yet, or Redis was emptied since`,
      'start a relay if none runs; else read at /readyz, or in its log, what it waits for',
    )
  }
  return warning(
    isSet
      ? `${key} is from an earlier run of this server (a restart or a failover), so its data may be old`
      : `${key} is gone: Redis has lost its data, or somebody deleted the key to start a rebuild`,
    'start a relay if none runs: it rebuilds Redis from the topic',
  )
}

export const redisChecks = (expected: Expectations): readonly Check<RedisFacts>[] => [
  { name: 'redis-writable', runs: 'always', find: (facts) => [checkWritable(facts)] },
  { name: 'redis-eviction', runs: 'always', find: (facts) => [checkEviction(facts)] },
  { name: 'redis-evicted', runs: 'always', find: checkEvicted },
  { name: 'redis-persistence', runs: 'always', find: (facts) => [checkPersistence(facts)] },
  ...redisContentChecks(expected),
]

export const redisServerChecks: readonly Check<RedisServerFacts>[] = [
  { name: 'redis-version', runs: 'doctor', find: (facts) => [checkVersion(facts)] },
  { name: 'redis-latency', runs: 'doctor', find: (facts) => [checkLatency(facts)] },
  { name: 'redis-memory', runs: 'doctor', find: (facts) => [checkMemory(facts)] },
  { name: 'redis-epoch', runs: 'doctor', find: (facts) => [checkEpoch(facts)] },
]
