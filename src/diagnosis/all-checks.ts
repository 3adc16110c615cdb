import type { Expectations, LogFacts, RedisFacts, TopicFacts } from './facts.ts'
import type { Finding } from './finding.ts'
import { checkOpenTransaction } from './open-transaction.ts'
import { checkOutcomesBelieved, checkOutcomeTopic } from './outcome-topic.ts'
import { checkPositionsPassed } from './positions-passed.ts'
import { checkRecordsRefused } from './records-refused.ts'
import { checkRedisEvicted } from './redis-evicted.ts'
import { checkRedisEviction } from './redis-eviction.ts'
import { checkRedisGroup } from './redis-group.ts'
import { checkRedisKeys } from './redis-keys.ts'
import { checkRedisPersistence } from './redis-persistence.ts'
import { checkRedisSharedDatabase } from './redis-shared-database.ts'
import { checkRedisWritable } from './redis-writable.ts'
import { checkTopicCompaction } from './topic-compaction.ts'
import { checkTopicMissing } from './topic-missing.ts'
import { checkTopicPartitions } from './topic-partitions.ts'
import { checkTopicRecreated } from './topic-recreated.ts'
import { checkTopicRetention } from './topic-retention.ts'

export function checkRedis(facts: RedisFacts, expected: Expectations): Finding[] {
  return [
    ...checkRedisWritable(facts),
    ...checkRedisKeys(facts),
    ...checkRedisEviction(facts),
    ...checkRedisEvicted(facts),
    ...checkRedisGroup(facts, expected),
    ...checkRedisPersistence(facts),
    ...checkRedisSharedDatabase(facts),
  ]
}

export function checkTopics(topics: readonly TopicFacts[], expected: Expectations): Finding[] {
  return topics.flatMap((facts) => [
    ...checkTopicMissing(facts),
    ...checkTopicPartitions(facts),
    ...checkTopicRetention(facts, expected),
    ...checkTopicCompaction(facts),
    ...checkOutcomeTopic(facts),
  ])
}

export function checkLog(facts: LogFacts): Finding[] {
  return [
    ...checkPositionsPassed(facts),
    ...checkTopicRecreated(facts),
    ...checkOpenTransaction(facts),
    ...checkRecordsRefused(facts),
    ...checkOutcomesBelieved(facts),
  ]
}
