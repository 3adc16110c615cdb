import type { RedisFacts } from './facts.ts'
import type { Finding } from './finding.ts'

/** A policy says what may happen; this says that it has. Redis does not tell which keys it dropped. */
export function checkRedisEvicted({
  prefix,
  evictedKeys,
}: Pick<RedisFacts, 'prefix' | 'evictedKeys'>): Finding[] {
  // That INFO may not be run is told by the check of the policy.
  if ('unread' in evictedKeys || evictedKeys.value === 0) return []
  return [
    {
      check: 'redis-evicted',
      severity: 'warning',
      message:
        `Redis has dropped ${evictedKeys.value} keys for want of memory since it was started: registrations or parked ` +
        'deliveries may be among them, and their logouts are not sent',
      mend:
        `set maxmemory-policy to noeviction and give it more memory; then delete ${prefix}:epoch, and ` +
        'the relays build the registry from the topic again; CONFIG RESETSTAT ends this warning',
    },
  ]
}
