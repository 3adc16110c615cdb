/** Every check that the service makes at its start and while it runs; the README explains each. */
export const checkNames = [
  'redis-writable',
  'redis-keys',
  'redis-eviction',
  'redis-evicted',
  'redis-group',
  'redis-persistence',
  'redis-shared-database',
  'topic-missing',
  'topic-partitions',
  'topic-retention',
  'topic-compaction',
  'outcome-topic',
  'topic-recreated',
  'positions-passed',
  'open-transaction',
  'records-refused',
  'keys-file',
  'keys-left-out',
  'keys-signing',
  'keys-permissions',
  'client-token-type',
  'client-origin',
  'node-version',
] as const

export type CheckName = (typeof checkNames)[number]
