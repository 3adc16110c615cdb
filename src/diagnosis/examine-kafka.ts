import type { SchemaName } from '../events/decoding/framing.ts'
import { counted } from '../lib/counted.ts'
import { messageOf } from '../lib/errors.ts'
import type { TcpAnswer } from '../lib/tcp-connect.ts'
import type { SchemaRegistryFacts } from '../schemas/schema-registry.ts'
import { brokerChecks, checkKafkaTransport, type TriedBroker } from './brokers.ts'
import { type Check, lookAt } from './check.ts'
import type { NotedClient } from './client-notes.ts'
import { clientChecks } from './clients.ts'
import { Examination, type ExaminedFinding } from './examination.ts'
import type { ExaminedKafka, Expectations, RecentFacts, TopicFacts, TopicLayout } from './facts.ts'
import { feedChecks } from './feed-files.ts'
import { error, type Found, ok, warning } from './finding.ts'
import { deadLetterChecks, groupChecks, progressChecks } from './group.ts'
import { recordTypeChecks } from './log-edges.ts'
import { networkFault } from './network-fault.ts'
import { ruleChecks } from './rules.ts'
import { schemaChecks } from './schema-registry.ts'
import { layoutChecks } from './topic-layouts.ts'
import { topicChecks } from './topics.ts'

export interface KafkaExamination {
  /** The entries of `KAFKA_BROKERS`. */
  readonly bootstrap: readonly string[]
  readonly security: { readonly isTls: boolean; readonly mechanism: string | undefined }
  readonly expected: Expectations
  /** Starts from these brokers. Throws when none of them answers as Kafka does. */
  readonly open: (bootstrap: readonly string[]) => Promise<ExaminedKafka>
  readonly connect: (host: string, port: number) => Promise<TcpAnswer>
  /** `undefined` where no schema registry is configured. Those schemas are asked for, as far as any are known. */
  readonly schemas: (names: readonly SchemaName[]) => Promise<SchemaRegistryFacts | undefined>
  /** What the last records want of clients, when they have been read. */
  readonly clients: () => Promise<readonly NotedClient[]>
  /** Milliseconds since the epoch. */
  readonly nowMs: number
}

const DAY_MS = 86_400_000

/** Looks at the brokers, the topics and the group of the relay. Never throws. */
export async function examineKafka(examination: KafkaExamination): Promise<readonly ExaminedFinding[]> {
  const { bootstrap, open, schemas, security } = examination
  const notes = new Examination('kafka')
  notes.note('kafka-tls', checkKafkaTransport(bootstrap, security.isTls, security.mechanism))
  const [opened, answers] = await Promise.all([
    open(bootstrap).catch((reason: unknown) => messageOf(reason)),
    Promise.all(bootstrap.map((broker) => tryBootstrap(broker, examination))),
  ])
  for (const answer of answers) notes.note('kafka-bootstrap', answer)
  if (typeof opened === 'string') {
    notes.note('kafka-reachable', error(opened, 'check the brokers in KAFKA_BROKERS'))
    await notes.make(lookAt(schemaChecks, () => schemas([])))
    notes.noteUnknown('Kafka could not be reached')
    return notes.all
  }
  try {
    await examineBrokersTopicsAndGroup(opened, examination, notes)
  } finally {
    await opened.close()
  }
  return notes.all
}

/** Each by itself: as long as one answers the others are not missed, until that one is away. */
async function tryBootstrap(broker: string, { open, connect }: KafkaExamination): Promise<Found> {
  const end = broker.lastIndexOf(':')
  const tcp = await connect(broker.slice(0, end), Number(broker.slice(end + 1)))
  if (tcp.kind === 'failed') {
    const { what, remedy } = networkFault(tcp.code)
    const full = `${remedy}; if the broker no longer exists, remove it from KAFKA_BROKERS`
    return warning(`${broker}: ${what}`, full, broker)
  }
  try {
    await (await open([broker])).close()
    return ok(`${broker} answers`, broker)
  } catch (reason) {
    return warning(
      `${broker} accepts connections but cannot be used: ${messageOf(reason)}`,
      'check that it is a client listener with the TLS and SASL settings of this relay, and that this machine can reach its advertised.listeners',
      broker,
    )
  }
}

/** One after the other: they share the time that a cluster without a majority is given. */
async function examineBrokersTopicsAndGroup(
  kafka: ExaminedKafka,
  { clients, connect, expected, nowMs, schemas }: KafkaExamination,
  notes: Examination,
): Promise<void> {
  let brokers: readonly TriedBroker[] = []
  let askedTopics: Promise<readonly TopicFacts[]> | undefined
  const topics = () => {
    askedTopics ??= kafka.topics()
    return askedTopics
  }
  let hasProgress = false
  let recent: RecentFacts | undefined
  const looks = {
    brokers: lookAt(brokerChecks, async () => {
      const found = await kafka.brokers()
      const tried = found.map(async (it) => ({ ...it, answer: await connect(it.host, it.port) }))
      brokers = await Promise.all(tried)
      return brokers
    }),
    topics: lookAt(topicChecks(expected), topics),
    layouts: lookAt(layoutChecks, async () => ({
      topics: await topics(),
      layouts: await layoutsOf(await topics(), kafka),
      brokers: brokers.length,
    })),
    progress: lookAt(progressChecks(expected), async () => {
      const progress = await kafka.progress(nowMs - expected.lateAfterMs)
      hasProgress = 'value' in progress && progress.value.some(({ committed }) => committed !== undefined)
      return { progress, nowMs }
    }),
    recent: lookAt(recentChecks, async () => {
      recent = await kafka.recent()
      return recent
    }),
    feed: lookAt(feedChecks(expected), () => kafka.feed()),
    schemas: lookAt(schemaChecks, () => schemas(recent?.schemas ?? [])),
    clients: lookAt(clientChecks, clients),
    deadLetters: lookAt(deadLetterChecks, () => kafka.deadLetters(nowMs - DAY_MS)),
    group: lookAt(groupChecks(expected), async () => {
      const inputs = (await topics().catch(() => [])).filter(({ roles }) => roles.includes('input'))
      const partitions = inputs.reduce((sum, topic) => sum + topic.partitions, 0)
      return { group: await kafka.group(), hasProgress, partitions }
    }),
  }
  await notes.make(looks.brokers)
  await notes.make(looks.topics)
  await notes.make(looks.layouts)
  notes.noteUnknown('there is no such topic', [...looks.topics.checks, ...looks.layouts.checks])
  await notes.make(looks.progress)
  notes.noteUnknown('there is no input topic', looks.progress.checks)
  await notes.make(looks.group)
  await notes.make(looks.feed)
  await notes.make(looks.recent)
  await notes.make(looks.deadLetters)
  await notes.make(looks.schemas)
  await notes.make(looks.clients)
  const nothing = ok(`none of the last ${counted(recent?.records ?? 0, 'record')} is refused or ignored`)
  notes.noteRest(nothing, ['client-egress', 'client-token-type'])
  notes.noteUnknown('only a running relay knows; its log and status page tell', [
    'client-origin',
    'webhooks-published',
  ])
}

/** What is said of records that were read. */
const recentChecks: readonly Check<RecentFacts>[] = [
  ...ruleChecks.map(({ find, ...check }) => ({ ...check, find: ({ rules }: RecentFacts) => find(rules) })),
  ...recordTypeChecks,
]

/** Of the topics that exist. */
async function layoutsOf(topics: readonly TopicFacts[], kafka: ExaminedKafka) {
  const layouts = new Map<string, TopicLayout>()
  for (const { topic, partitions } of topics) {
    if (partitions > 0) layouts.set(topic, await kafka.layout(topic))
  }
  return layouts
}
