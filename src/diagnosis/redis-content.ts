import type { Check } from './check.ts'
import type { Expectations, RedisFacts } from './facts.ts'
import { type Found, hint, ok, unreadHint, warning } from './finding.ts'
import { checkRedisKeys } from './redis-keys.ts'
import { checkStoreOwners } from './store-owners.ts'

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
    const remedy = `allow the user of REDIS_URL to read and write ${key}`
    return unreadHint(`which consumer group uses the prefix ${prefix}`, groupId, remedy)
  }
  if (groupId.value === undefined) return ok(`no group has used the prefix ${prefix} yet`)
  if (groupId.value === expected.groupId) return ok(`${groupId.value} uses the prefix ${prefix}`)
  const [other, own] = [`"${groupId.value}"`, `"${expected.groupId}"`]
  return warning(
    `the consumer group ${other} uses this Redis with the prefix ${prefix}, but the group of this relay is ${own}: ` +
      'both read every trigger, so an RP may get a logout twice; each claims deliveries that the other has parked, and fails them ' +
      `if it lacks the keys of their issuer; if ${other} was renamed, ${own} continues at its positions`,
    `give one of the relays another REDIS_PREFIX, or both the same KAFKA_GROUP_ID; if ${other} no longer exists, delete the key ${key}`,
    groupId.value,
  )
}

/** Other keys in the same database share its memory bound, its eviction, and whoever empties it. */
export function checkSharedDatabase({ foreignKeys }: Pick<RedisFacts, 'foreignKeys'>): Found[] {
  // That keys cannot be listed is told once, by the check of the relay's own.
  if ('unread' in foreignKeys) return []
  if (foreignKeys.value.length === 0) {
    return [ok('no keys of other applications in the part of the database that was read')]
  }
  const names = [...new Set(foreignKeys.value.map(nameOf))].sort()
  const more = names.length > EXAMPLES_MAX ? ', …' : ''
  return [
    hint(
      `other applications keep keys in the same database (${names.slice(0, EXAMPLES_MAX).join(', ')}${more}): ` +
        'they share its memory, and their FLUSHDB would empty the registry',
      'give the relay its own Redis, or at least its own database',
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
  { name: 'issuer-known', runs: 'always', find: (facts) => checkStoreOwners(facts, expected) },
  { name: 'redis-shared-database', runs: 'always', find: checkSharedDatabase },
]
