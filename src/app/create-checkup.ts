import { type Config, type Layout, layout, type Placed } from '../config/config.ts'
import { readMisspelt } from '../config/env.ts'
import { atRunTime, type Check, lookAt } from '../diagnosis/check.ts'
import { Checkup, type CheckupEvents } from '../diagnosis/checkup.ts'
import type { ClientNotes } from '../diagnosis/client-notes.ts'
import { clientChecks } from '../diagnosis/clients.ts'
import { type ProcessFacts, processChecks } from '../diagnosis/configuration.ts'
import type { ReachedKafka } from '../diagnosis/create-topic.ts'
import type { EdgeNotes } from '../diagnosis/edge-notes.ts'
import type { Expectations } from '../diagnosis/facts.ts'
import { feedChecks } from '../diagnosis/feed-files.ts'
import { issuerChecks } from '../diagnosis/issuer-checks.ts'
import { IssuerLooks } from '../diagnosis/issuer-looks.ts'
import { keyChecks } from '../diagnosis/keys.ts'
import { logChecks } from '../diagnosis/log-edges.ts'
import { redisChecks } from '../diagnosis/redis-server.ts'
import { schemaChecks } from '../diagnosis/schema-registry.ts'
import { topicChecks } from '../diagnosis/topics.ts'
import type { TypeNotes } from '../diagnosis/type-notes.ts'
import { fetchDocument } from '../egress/fetch-document.ts'
import type { InputTopics } from '../intake/input-topics.ts'
import type { Issuers } from '../issuers/issuers.ts'
import type { KafkaTopics } from '../kafka/kafka-topics.ts'
import { TopicFactsReader } from '../kafka/topic-facts.ts'
import { type Clock, systemClock } from '../lib/clock.ts'
import type { Gate } from '../lib/gate.ts'
import type { RedisConnection } from '../redis/redis-connection.ts'
import { RedisFactsReader } from '../redis/redis-facts.ts'
import type { RedisKeys } from '../redis/redis-keys.ts'
import { feedFacts } from './feed-facts.ts'
import type { RecordMapping } from './record-mapping.ts'
import type { WebhookIntake } from './webhook-intake.ts'

export interface CheckupParts {
  readonly clear: Gate
  readonly clients: ClientNotes
  readonly config: Config
  readonly edges: EdgeNotes
  readonly events: CheckupEvents
  /** The relay's own topics must exist by now: it has created them, or found them. */
  readonly hasOwnTopics: () => boolean
  readonly inputs: InputTopics
  readonly issuerLooks: IssuerLooks
  readonly issuers: Issuers
  readonly keys: RedisKeys
  readonly mapping: RecordMapping
  readonly redis: RedisConnection
  readonly topics: KafkaTopics
  readonly types: TypeNotes
  readonly webhooks: WebhookIntake
}

export const expectedLayout = {
  kafka: { groupId: layout.kafka.groupId },
  registry: { sessionLifetimeMs: layout.registry.sessionLifetimeMs },
  delivery: {
    lateAfterMs: layout.delivery.lateAfterMs,
    retry: { deadlineMs: layout.delivery.retry.deadlineMs },
  },
} as const satisfies Layout

/** For a finding that compares them. */
const ISSUERS_NAMED_MAX = 50

export function expectedOf(
  config: Placed<typeof expectedLayout>,
  {
    issuersFile,
    issuers,
    kafka,
  }: {
    readonly issuersFile?: string | undefined
    readonly issuers?: Pick<Issuers, 'known'> | undefined
    readonly kafka?: ReachedKafka
  } = {},
): Expectations {
  return {
    kafka,
    hasIssuersFile: issuersFile !== undefined,
    issuers: () => [...(issuers?.known() ?? [])].slice(0, ISSUERS_NAMED_MAX).map(({ id }) => id),
    groupId: config.kafka.groupId,
    lateAfterMs: config.delivery.lateAfterMs,
    retryDeadlineMs: config.delivery.retry.deadlineMs,
    sessionLifetimeMs: config.registry.sessionLifetimeMs,
  }
}

export function processFacts(mode: ProcessFacts['mode']): ProcessFacts {
  return { mode, misspelt: readMisspelt(), nodeVersion: process.versions.node }
}

const DOCUMENT_MS_MAX = 5_000
const DOCUMENT_BYTES_MAX = 256 * 1_024

/** For `serve`: what looks at what the issuers publish themselves. A start waits for the first look. */
export function createIssuerLooks(config: Config, issuers: Issuers, clock: Clock): IssuerLooks {
  const timeoutMs = Math.min(config.delivery.attemptTimeoutMs, DOCUMENT_MS_MAX)
  return new IssuerLooks({
    clock,
    issuers,
    intervalMs: config.signingKeys.publishedCheckMs,
    fetchDocument: (uri) => fetchDocument(uri, { timeoutMs, bytesMax: DOCUMENT_BYTES_MAX }),
  })
}

/** The checks with the adapters that look up their facts. */
export function createCheckup(parts: CheckupParts): Checkup {
  const {
    clear,
    clients,
    config,
    edges,
    events,
    hasOwnTopics,
    inputs,
    issuerLooks,
    issuers,
    keys,
    mapping,
    redis,
    topics,
    types,
    webhooks,
  } = parts
  const expected = expectedOf(config, { issuersFile: config.issuers.file, issuers, kafka: config.kafka })
  const { groupId } = expected
  const redisFacts = new RedisFactsReader({
    ...{ groupId, keys, redis },
    knowsIssuer: (issuer) => issuers.knows(issuer),
    prefix: config.redis.prefix,
  })
  const topicFacts = new TopicFactsReader(topics, {
    deadLetter: config.kafka.deadLetterTopic,
    inputs,
    outcome: config.kafka.outcomeTopic,
    isShadow: config.mode === 'shadow',
  })
  // Read once: none of it changes while the process runs, but for what other files say.
  const ofProcess = processFacts(config.mode)
  const look = <Facts>(checks: readonly Check<Facts>[], read: () => Promise<Facts> | Facts) =>
    lookAt(atRunTime(checks), read)
  return new Checkup({
    clear,
    events,
    intervalMs: config.service.checkIntervalMs,
    looks: {
      redis: look(redisChecks(expected), () => redisFacts.read()),
      topics: look(topicChecks(expected), async () => {
        const facts = await topicFacts.read()
        return hasOwnTopics() ? facts : facts.filter(({ roles }) => roles.includes('input'))
      }),
      log: look(logChecks, () => ({
        ...edges.read(),
        unknownTypes: types.read(),
        webhookFailures: webhooks.failures,
      })),
      feed: look(feedChecks(expected), () =>
        feedFacts({ inputs, issuers, mappings: mapping.decoder.mappings }),
      ),
      schemas: look(schemaChecks, () => mapping.schemas?.look()),
      issuer: look(issuerChecks, () => issuerLooks.look()),
      keys: look(keyChecks, () => ({
        problem: issuers.problem,
        keyFiles: issuers.keyFiles(),
        nowMs: systemClock.now(),
      })),
      clients: look(clientChecks, () => clients.read()),
      process: look(processChecks, () => ({
        ...ofProcess,
        mappingProblem: mapping.problem,
        intakeProblem: webhooks.problem,
      })),
    },
  })
}
