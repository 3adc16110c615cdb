import type { Expectations, RedisFacts } from './facts.ts'
import { type Finding, unreadHint } from './finding.ts'

const check = 'redis-group'

/**
 * The replicas of one relay share group, Redis and prefix. Two groups on one prefix are two relays that undo each
 * other's work; a group that was renamed goes on from the positions that Redis holds.
 */
export function checkRedisGroup(
  { prefix, groupId }: Pick<RedisFacts, 'prefix' | 'groupId'>,
  expected: Pick<Expectations, 'groupId'>,
): Finding[] {
  const key = `${prefix}:group`
  if ('unread' in groupId) {
    const mend = `let the user of REDIS_URL read and write ${key}`
    return [unreadHint(check, groupId, { what: `which consumer group uses the prefix ${prefix}`, mend })]
  }
  if (groupId.value === undefined || groupId.value === expected.groupId) return []
  const [other, own] = [`"${groupId.value}"`, `"${expected.groupId}"`]
  return [
    {
      check,
      about: groupId.value,
      severity: 'warning',
      message:
        `the consumer group ${other} uses this Redis with the prefix ${prefix}, and this relay is of the group ${own}: ` +
        'both read every trigger, so an RP may be told twice; each takes up what the other has parked, and fails it ' +
        `when it has no key for its issuer; if ${other} was renamed, ${own} goes on where it was`,
      mend: `give one of the two relays another REDIS_PREFIX, or both one KAFKA_GROUP_ID; if ${other} is gone for good, delete the key ${key}`,
    },
  ]
}
