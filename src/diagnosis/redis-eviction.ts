import type { RedisFacts } from './facts.ts'
import { type Finding, unreadHint } from './finding.ts'

const check = 'redis-eviction'
const mend = 'set maxmemory-policy to noeviction'

/** An evicted registration is a logout that nobody sends, and nobody notices. */
export function checkRedisEviction({ eviction }: Pick<RedisFacts, 'eviction'>): Finding[] {
  if ('unread' in eviction) {
    const advice =
      'let the user of REDIS_URL run INFO or CONFIG GET, or see to it that the policy is noeviction'
    return [unreadHint(check, eviction, { what: 'the eviction policy of Redis', mend: advice })]
  }
  const { policy, maxMemoryBytes } = eviction.value
  if (policy === 'noeviction') return []
  const when = maxMemoryBytes === 0 ? 'once maxmemory is set and reached' : 'when its memory is full'
  const victims = policy.startsWith('volatile')
    ? 'registrations and tombstones'
    : 'registrations, tombstones and parked deliveries'
  return [
    {
      check,
      severity: 'warning',
      message: `Redis runs with maxmemory-policy ${policy}: ${when} it drops ${victims}, and their logouts are never sent`,
      mend,
    },
  ]
}
