import { type Config, readMisspelt } from '../config/env.ts'
import { atRunTime, type Check, lookAt } from '../diagnosis/check.ts'
import { Checkup, type CheckupEvents } from '../diagnosis/checkup.ts'
import type { ClientNotes } from '../diagnosis/client-notes.ts'
import { clientChecks } from '../diagnosis/clients.ts'
import { type ProcessFacts, processChecks } from '../diagnosis/configuration.ts'
import type { EdgeNotes } from '../diagnosis/edge-notes.ts'
import type { Expectations } from '../diagnosis/facts.ts'
import { keyChecks } from '../diagnosis/keys.ts'
import { logChecks } from '../diagnosis/log-edges.ts'
import { redisChecks } from '../diagnosis/redis-server.ts'
import { topicChecks } from '../diagnosis/topics.ts'
import type { Issuers } from '../issuers/issuers.ts'
import type { KafkaTopics } from '../kafka/kafka-topics.ts'
import { TopicFactsReader } from '../kafka/topic-facts.ts'
import type { RedisConnection } from '../redis/redis-connection.ts'
import { RedisFactsReader } from '../redis/redis-facts.ts'
import type { RedisKeys } from '../redis/redis-keys.ts'

export interface CheckupParts {
  readonly clients: ClientNotes
  readonly config: Config
  readonly edges: EdgeNotes
  readonly events: CheckupEvents
  readonly issuers: Issuers
  readonly keys: RedisKeys
  readonly redis: RedisConnection
  readonly topics: KafkaTopics
}

export const expectations = ['KAFKA_GROUP_ID', 'RETRY_DEADLINE_MS', 'SESSION_LIFETIME_MS'] as const

export function expectedOf(config: Pick<Config, (typeof expectations)[number]>): Expectations {
  return {
    groupId: config.KAFKA_GROUP_ID,
    retryDeadlineMs: config.RETRY_DEADLINE_MS,
    sessionLifetimeMs: config.SESSION_LIFETIME_MS,
  }
}

export function processFacts(): ProcessFacts {
  return { misspelt: readMisspelt(), nodeVersion: process.versions.node }
}

/** The checks with the adapters that look up their facts. */
export function createCheckup(parts: CheckupParts): Checkup {
  const { clients, config, edges, events, issuers, keys, redis, topics } = parts
  const expected = expectedOf(config)
  const { groupId } = expected
  const redisFacts = new RedisFactsReader({ groupId, keys, redis, prefix: config.REDIS_PREFIX })
  const topicFacts = new TopicFactsReader(topics, {
    deadLetter: config.KAFKA_DEAD_LETTER_TOPIC,
    inputs: config.KAFKA_TOPICS,
    outcome: config.KAFKA_OUTCOME_TOPIC,
  })
  // Read once: none of it changes while the process runs.
  const ofProcess = processFacts()
  const look = <Facts>(checks: readonly Check<Facts>[], read: () => Promise<Facts> | Facts) =>
    lookAt(atRunTime(checks), read)
  return new Checkup({
    events,
    intervalMs: config.CHECK_INTERVAL_MS,
    looks: {
      redis: look(redisChecks(expected), () => redisFacts.read()),
      topics: look(topicChecks(expected), () => topicFacts.read()),
      log: look(logChecks, () => edges.read()),
      keys: look(keyChecks, () => issuers.keyFiles()),
      clients: look(clientChecks, () => clients.read()),
      process: look(processChecks, () => ofProcess),
    },
  })
}
