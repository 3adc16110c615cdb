import type { RedisFacts } from './facts.ts'
import { type Finding, unreadHint } from './finding.ts'

const check = 'redis-persistence'

/** A Redis that forgets is rebuilt from the topic, so persistence saves time and the deliveries of other sources. */
export function checkRedisPersistence({ persistence }: Pick<RedisFacts, 'persistence'>): Finding[] {
  if ('unread' in persistence) {
    const mend = 'let the user of REDIS_URL run INFO, or see to it that Redis has an append-only file'
    return [unreadHint(check, persistence, { what: 'how Redis persists its data', mend })]
  }
  const { appendOnly, snapshots, isFailing } = persistence.value
  if (isFailing) {
    return [
      {
        check,
        severity: 'warning',
        message: 'Redis could not write its data to disk the last time: a restart loses what came since',
        mend: 'free disk space or mend the permissions of its data directory; its log names the reason',
      },
    ]
  }
  if (appendOnly || snapshots === true) return []
  const how =
    snapshots === undefined
      ? 'Redis has no append-only file (whether it takes snapshots could not be read)'
      : 'Redis keeps its data in memory only'
  return [
    {
      check,
      severity: 'hint',
      message:
        `${how}: after a restart of Redis the registrations are rebuilt from the topic, ` +
        'as far back as that reaches, and those that were written to Redis directly are lost',
      mend: 'set appendonly yes',
    },
  ]
}
