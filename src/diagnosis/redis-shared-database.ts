import type { RedisFacts } from './facts.ts'
import type { Finding } from './finding.ts'

const check = 'redis-shared-database'
const EXAMPLES_MAX = 3
const NAME_CHARACTERS_MAX = 16

/** Other keys in the same database share its memory bound, its eviction, and whoever empties it. */
export function checkRedisSharedDatabase({ foreignKeys }: Pick<RedisFacts, 'foreignKeys'>): Finding[] {
  // That keys cannot be listed is told once, by the check of the relay's own.
  if ('unread' in foreignKeys || foreignKeys.value.length === 0) return []
  const names = [...new Set(foreignKeys.value.map(nameOf))].sort()
  const more = names.length > EXAMPLES_MAX ? ', …' : ''
  return [
    {
      check,
      severity: 'hint',
      message:
        `other applications keep keys in the same database (${names.slice(0, EXAMPLES_MAX).join(', ')}${more}): ` +
        'their growth fills its memory, and a FLUSHDB of theirs empties the registry',
      mend: 'give the relay a Redis, or at least a database, of its own',
    },
  ]
}

/** The first part of a key. The rest may be a secret of another application, such as the id of a web session. */
function nameOf(key: string): string {
  const end = key.search(/[:{|/.]/)
  return end > 0 && end <= NAME_CHARACTERS_MAX ? `${key.slice(0, end + 1)}…` : `${key.slice(0, 4)}…`
}
