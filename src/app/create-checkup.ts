import { type Config, type Layout, layout, type Placed } from '../config/config.ts'
import { readMisspelt } from '../config/env.ts'
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
import { systemClock } from '../lib/clock.ts'
import type { RedisConnection } from '../redis/redis-connection.ts'
import { RedisFactsReader } from '../redis/redis-facts.ts'
import type { RedisKeys } from '../redis/redis-keys.ts'
import type { RecordMapping } from './record-mapping.ts'

export interface CheckupParts {
  readonly clients: ClientNotes
  readonly config: Config
  readonly edges: EdgeNotes
  readonly events: CheckupEvents
  readonly issuers: Issuers
  readonly keys: RedisKeys
  readonly mapping: RecordMapping
  readonly redis: RedisConnection
  readonly topics: KafkaTopics
}

export const expectedLayout = {
  kafka: { groupId: layout.kafka.groupId },
  registry: { sessionLifetimeMs: layout.registry.sessionLifetimeMs },
  delivery: {
    lateAfterMs: layout.delivery.lateAfterMs,
    retry: { deadlineMs: layout.delivery.retry.deadlineMs },
  },
} as const satisfies Layout

export function expectedOf(config: Placed<typeof expectedLayout>): Expectations {
  return {
    groupId: config.kafka.groupId,
    lateAfterMs: config.delivery.lateAfterMs,
    retryDeadlineMs: config.delivery.retry.deadlineMs,
    sessionLifetimeMs: config.registry.sessionLifetimeMs,
  }
}

export function processFacts(mode: ProcessFacts['mode']): ProcessFacts {
  return { mode, misspelt: readMisspelt(), nodeVersion: process.versions.node }
}

/** The checks with the adapters that look up their facts. */
export function createCheckup(parts: CheckupParts): Checkup {
  const { clients, config, edges, events, issuers, keys, mapping, redis, topics } = parts
  const expected = expectedOf(config)
  const { groupId } = expected
  const redisFacts = new RedisFactsReader({ groupId, keys, redis, prefix: config.redis.prefix })
  const topicFacts = new TopicFactsReader(topics, {
    deadLetter: config.kafka.deadLetterTopic,
    inputs: config.kafka.topics,
    outcome: config.kafka.outcomeTopic,
    isShadow: config.mode === 'shadow',
  })
  // Read once: none of it changes while the process runs, but for the mapping.
  const ofProcess = processFacts(config.mode)
  const look = <Facts>(checks: readonly Check<Facts>[], read: () => Promise<Facts> | Facts) =>
    lookAt(atRunTime(checks), read)
  return new Checkup({
    events,
    intervalMs: config.service.checkIntervalMs,
    looks: {
      redis: look(redisChecks(expected), () => redisFacts.read()),
      topics: look(topicChecks(expected), () => topicFacts.read()),
      log: look(logChecks, () => edges.read()),
      keys: look(keyChecks, () => ({
        problem: issuers.problem,
        keyFiles: issuers.keyFiles(),
        nowMs: systemClock.now(),
      })),
      clients: look(clientChecks, () => clients.read()),
      process: look(processChecks, () => ({ ...ofProcess, mappingProblem: mapping.problem })),
    },
  })
}
