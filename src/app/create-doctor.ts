import { layout } from '../config/config.ts'
import type { EachOption } from '../config/read-each-option.ts'
import { lookAt } from '../diagnosis/check.ts'
import { optionChecks, processChecks } from '../diagnosis/configuration.ts'
import { Examination, type ExaminedFinding, notConfigured } from '../diagnosis/examination.ts'
import { examineKafka } from '../diagnosis/examine-kafka.ts'
import { examineRedis } from '../diagnosis/examine-redis.ts'
import { error } from '../diagnosis/finding.ts'
import type { DecodeResult } from '../events/decoding/decode-record.ts'
import { InputTopics } from '../intake/input-topics.ts'
import { KafkaFactsReader } from '../kafka/kafka-facts-reader.ts'
import { KafkaLogReader } from '../kafka/kafka-log-reader.ts'
import type { KafkaTopics } from '../kafka/kafka-topics.ts'
import { systemClock } from '../lib/clock.ts'
import { tcpConnect } from '../lib/tcp-connect.ts'
import type { RedisConnection } from '../redis/redis-connection.ts'
import { RedisFactsReader } from '../redis/redis-facts.ts'
import { RedisKeys } from '../redis/redis-keys.ts'
import { expectedLayout, expectedOf, processFacts } from './create-checkup.ts'
import { configuredIssuers } from './create-issuers.ts'
import { examineIssuersFile, examineOnlyIssuer } from './examine-issuers.ts'
import { examineRp } from './examine-rp.ts'
import { feedFacts } from './feed-facts.ts'
import { fileProblems } from './file-problems.ts'
import { readLetters } from './read-letters.ts'
import { preparedIfPossible, readRecent } from './read-recent.ts'
import { RecentClients } from './recent-clients.ts'
import { RecordMapping } from './record-mapping.ts'
import { webhookTopics } from './webhook-intake.ts'

/** Closed by closing `topics`. */
export interface OpenedKafka {
  readonly kafka: ConstructorParameters<typeof KafkaLogReader>[0]
  readonly topics: KafkaTopics
}

export interface DoctorParts {
  readonly configuration: EachOption
  /** The RP to look at, if any. */
  readonly rp?: { readonly uri: string; readonly clientId?: string }
  /** Throws when none of the brokers answers. */
  readonly openKafka: (brokers: readonly string[]) => Promise<OpenedKafka>
  /** Throws when Redis does not answer. Asked once; it is closed by whoever gives it. */
  readonly openRedis: () => Promise<RedisConnection>
}

const CONNECT_TIMEOUT_MS = 5_000
const NO_REGISTRY = { url: undefined, username: undefined, password: undefined, tls: { caFile: undefined } }

/** Examines everything that the configuration names, side by side, and returns what was found in order of areas. */
export async function examineAll(parts: DoctorParts): Promise<readonly ExaminedFinding[]> {
  const areas = await Promise.all([
    configuration(parts.configuration),
    kafka(parts),
    redis(parts),
    issuer(parts.configuration),
    ...(parts.rp === undefined ? [] : [examineRp(parts, parts.rp)]),
  ])
  return areas.flat()
}

async function configuration(configured: EachOption): Promise<readonly ExaminedFinding[]> {
  const notes = new Examination('configuration')
  await notes.make(lookAt(optionChecks, () => configured.problems))
  const broken = await fileProblems(configured.part)
  for (const { check, text, remedy } of broken) notes.note(check, error(text, remedy))
  const checks = processChecks.filter(({ name }) => broken.every(({ check }) => check !== name))
  await notes.make(lookAt(checks, () => processFacts(configured.part(layout.mode))))
  return notes.all
}

/** Without rules where the file is not valid, which the examination of the configuration tells. */
async function openedMapping({ part }: EachOption): Promise<RecordMapping> {
  const mapping = new RecordMapping({
    mappingFile: part(layout.records.mappingFile),
    schemaRegistry: part(layout.records.schemaRegistry) ?? NO_REGISTRY,
  })
  await mapping.open().catch(() => undefined)
  return mapping
}

async function kafka({ configuration, openKafka }: DoctorParts): Promise<readonly ExaminedFinding[]> {
  const { brokers, deadLetterTopic, isTls, outcomeTopic, sasl, topics } = layout.kafka
  const config = configuration.part({
    ...expectedLayout,
    kafka: { ...expectedLayout.kafka, brokers, isTls, topics },
  })
  if (config === undefined) return notConfigured('kafka')
  const ofWebhooks = await webhookTopics(configuration.part(layout.intake.file), config.kafka.topics)
  const names = {
    outcome: configuration.part(outcomeTopic),
    deadLetter: configuration.part(deadLetterTopic),
    isShadow: configuration.part(layout.mode) === 'shadow',
  }
  const mapping = await openedMapping(configuration)
  const issuers = await configuredIssuers(configuration, configuration.part(layout.egress))
  const clientOptions = configuration.part(layout.clients)
  const clients =
    issuers === undefined || clientOptions === undefined
      ? undefined
      : new RecentClients(clientOptions, issuers)
  const decoders = mapping.decoders((name) => (issuers === undefined ? (name ?? '') : issuers.resolve(name)))
  const security = { isTls: config.kafka.isTls, mechanism: configuration.part(sasl.mechanism) }
  return examineKafka({
    bootstrap: config.kafka.brokers,
    security,
    expected: expectedOf(config, {
      issuersFile: configuration.part(layout.issuers.file),
      issuers,
      kafka: { ...config.kafka, sasl: security },
    }),
    nowMs: systemClock.now(),
    schemas: async (names) => mapping.schemas?.look(names),
    clients: async () => (await clients?.look()) ?? [],
    connect: (host, port) => tcpConnect(host, port, CONNECT_TIMEOUT_MS),
    open: async (brokers) => {
      const { kafka, topics } = await openKafka(brokers)
      const inputs = new InputTopics(config.kafka.topics, topics)
      inputs.makeOptional(ofWebhooks)
      const reader = new KafkaLogReader(kafka, topics, { prepare: preparedIfPossible(decoders) })
      const take = (decoded: DecodeResult) => clients?.take(decoded)
      return new KafkaFactsReader({
        names: { ...names, inputs },
        groupId: config.kafka.groupId,
        topics,
        feed: () => feedFacts({ inputs, issuers, mappings: mapping.decoder.mappings }),
        readRecent: () => readRecent({ decoders, inputs, mapping, reader, take, topics }),
        readLetters: (topic, ranges) => readLetters({ decoders, inputs, reader }, topic, ranges),
      })
    },
  })
}

async function redis({ configuration, openRedis }: DoctorParts): Promise<readonly ExaminedFinding[]> {
  const { url, password, prefix: keyPrefix } = layout.redis
  const config = configuration.part({
    ...expectedLayout,
    mode: layout.mode,
    redis: { url, prefix: keyPrefix },
  })
  if (config === undefined) return notConfigured('redis')
  const { url: redisUrl, prefix } = config.redis
  const issuers = await configuredIssuers(configuration)
  const expected = expectedOf(config, { issuersFile: configuration.part(layout.issuers.file), issuers })
  const keys = new RedisKeys(prefix, config.mode)
  return examineRedis({
    redisUrl,
    hasPassword: configuration.part(password) !== undefined,
    expected,
    open: async () => {
      const redis = await openRedis()
      return new RedisFactsReader({
        groupId: expected.groupId,
        keys,
        // Without issuers, which is told elsewhere, nobody's keys are somebody else's.
        knowsIssuer: (issuer) => issuers?.knows(issuer) ?? true,
        redis,
        prefix,
        leavesNoTrace: true,
      })
    },
  })
}

async function issuer({ part }: EachOption): Promise<readonly ExaminedFinding[]> {
  const file = part(layout.issuers.file)
  if (file !== undefined) return examineIssuersFile(file)
  return examineOnlyIssuer(part(layout.issuers.issuer), part(layout.issuers.signingKeysFile))
}
