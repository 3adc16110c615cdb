import type { Check } from './check.ts'
import type { Expectations, RedisFacts } from './facts.ts'
import { type Found, hint, ok, unreadHint, warning } from './finding.ts'
import { checkRedisKeys } from './redis-keys.ts'

const EXAMPLES_MAX = 3
const NAME_CHARACTERS_MAX = 16

/**
 * The replicas of one relay share group, Redis and prefix. Two groups on one prefix are two relays that undo each
 * other's work; a group that was renamed goes on from the positions that Redis holds.
 */
export function checkGroup(
  { prefix, groupId }: Pick<RedisFacts, 'prefix' | 'groupId'>,
  expected: Pick<Expectations, 'groupId'>,
): Found {
  const key = `${prefix}:group`
  if ('unread' in groupId) {
    const remedy = `let the user of REDIS_URL read and write ${key}`
    return unreadHint(`which consumer group uses the prefix ${prefix}`, groupId, remedy)
  }
  if (groupId.value === undefined) return ok(`no group has used the prefix ${prefix} yet`)
  if (groupId.value === expected.groupId) return ok(`${groupId.value} uses the prefix ${prefix}`)
  const [other, own] = [`"${groupId.value}"`, `"${expected.groupId}"`]
  return warning(
    `the consumer group ${other} uses this Redis with the prefix ${prefix}, and this relay is of the group ${own}: ` +
      'both read every trigger, so an RP may be told twice; each takes up what the other has parked, and fails it ' +
      `when it has no key for its issuer; if ${other} was renamed, ${own} goes on where it was`,
    `give one of the two relays another REDIS_PREFIX, or both one KAFKA_GROUP_ID; if ${other} is gone for good, delete the key ${key}`,
    groupId.value,
  )
}

/** Other keys in the same database share its memory bound, its eviction, and whoever empties it. */
export function checkSharedDatabase({ foreignKeys }: Pick<RedisFacts, 'foreignKeys'>): Found[] {
  // That keys cannot be listed is told once, by the check of the relay's own.
  if ('unread' in foreignKeys) return []
  if (foreignKeys.value.length === 0) {
    return [ok('no keys of other applications in the database, as far as was looked')]
  }
  const names = [...new Set(foreignKeys.value.map(nameOf))].sort()
  const more = names.length > EXAMPLES_MAX ? ', …' : ''
  return [
    hint(
      `other applications keep keys in the same database (${names.slice(0, EXAMPLES_MAX).join(', ')}${more}): ` +
        'their growth fills its memory, and a FLUSHDB of theirs empties the registry',
      'give the relay a Redis, or at least a database, of its own',
    ),
  ]
}

/** The first part of a key. The rest may be a secret of another application, such as the id of a web session. */
function nameOf(key: string): string {
  const end = key.search(/[:{|/.]/)
  return end > 0 && end <= NAME_CHARACTERS_MAX ? `${key.slice(0, end + 1)}…` : `${key.slice(0, 4)}…`
}

export const redisContentChecks = (expected: Expectations): readonly Check<RedisFacts>[] => [
  { name: 'redis-keys', runs: 'always', find: checkRedisKeys },
  { name: 'redis-group', runs: 'always', find: (facts) => [checkGroup(facts, expected)] },
  { name: 'redis-shared-database', runs: 'always', find: checkSharedDatabase },
]
