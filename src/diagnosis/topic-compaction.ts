import type { TopicFacts, TopicRole } from './facts.ts'
import type { Finding } from './finding.ts'

/** In the order of what is worst, for a topic that has several roles. */
const consequences: readonly (readonly [TopicRole, string])[] = [
  [
    'input',
    'of the records of one session it keeps the last one only, so a trigger that is not read yet gives way to a later ' +
      'record with its key, and registrations are lost to a rebuild',
  ],
  ['outcome', 'it forgets outcomes, so after a loss of Redis logouts that were sent are sent again'],
  [
    'dead-letter',
    'it refuses a poison record without a key, behind which the offset, and in the end intake, stands still',
  ],
]

/** Records of a session share a key, and compaction keeps one record of a key. */
export function checkTopicCompaction({ topic, roles, settings }: TopicFacts): Finding[] {
  if ('unread' in settings || !settings.value.cleanupPolicies.includes('compact')) return []
  const consequence = consequences.find(([role]) => roles.includes(role))?.[1]
  return [
    {
      check: 'topic-compaction',
      about: topic,
      severity: 'warning',
      message: `the topic ${topic} is compacted: ${consequence}`,
      mend: `set cleanup.policy of ${topic} to delete`,
    },
  ]
}
