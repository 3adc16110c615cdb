import type { Expectations, RedisFacts, TopicFacts } from '../../../src/diagnosis/facts.ts'
import { type Found, isTrouble } from '../../../src/diagnosis/finding.ts'

const DAY_MS = 86_400_000

/** A Redis with which everything is well. */
export function redisFacts(overrides: Partial<RedisFacts> = {}): RedisFacts {
  return {
    prefix: 'lr',
    refusedWrite: undefined,
    role: { value: { isReplica: false } },
    eviction: { value: { policy: 'noeviction', maxMemoryBytes: 1_000_000 } },
    evictedKeys: { value: 0 },
    persistence: { value: { appendOnly: true, snapshots: false, isFailing: false } },
    groupId: { value: 'logout-relay' },
    prefixedKeys: { value: [] },
    foreignKeys: { value: [] },
    owners: { value: { hasOwn: true, wasEmpty: false, others: new Map() } },
    ...overrides,
  }
}

/** A topic with which everything is well. */
export function topicFacts(
  overrides: Partial<TopicFacts> = {},
  settings: Readonly<Record<string, unknown>> = {},
): TopicFacts {
  return {
    topic: 'session-events',
    roles: ['input', 'outcome'],
    partitions: 12,
    settings: {
      value: { cleanupPolicies: ['delete'], retentionMs: 31 * DAY_MS, retentionBytes: -1, ...settings },
    },
    ...overrides,
  }
}

export const expectations: Expectations = {
  groupId: 'logout-relay',
  hasIssuersFile: false,
  lateAfterMs: DAY_MS / 24,
  retryDeadlineMs: DAY_MS,
  kafka: { brokers: ['kafka-1:9092', 'kafka-2:9092'] },
  issuers: () => ['https://login.example.com/'],
  sessionLifetimeMs: 30 * DAY_MS,
}

export const unread = { unread: 'NOPERM this user has no permissions' }

/** What is wrong or worth knowing of what a check has found. */
export function troubles(...found: (Found | readonly Found[])[]): Found[] {
  return found.flat().filter(isTrouble)
}
