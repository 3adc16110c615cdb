import { counted } from '../lib/counted.ts'
import { durationText } from '../lib/duration-text.ts'
import type { Check } from './check.ts'
import { createTopicCommand } from './create-topic.ts'
import type { Expectations, PatternFacts, TopicFacts, TopicRole } from './facts.ts'
import { error, type Found, hint, ok, unknown, unreadHint, warning } from './finding.ts'

export function checkMissing(
  { topic, isOptional = false, partitions, roles }: TopicFacts,
  { kafka, ...lifetimes }: Pick<Expectations, 'kafka'> & Lifetimes,
): Found {
  if (partitions > 0) return ok(`the ${roles.join(' and ')} topic ${topic} exists`, topic)
  if (isOptional)
    return warning(
      `the topic ${topic} does not exist, or this relay may not see it: webhooks for it are answered with 503, and nothing else waits for it`,
      `create it with a partition for each replica that you may run: ${createTopicCommand(topic, kafka, keptMs(lifetimes))}`,
      topic,
    )
  return error(
    `the ${roles.join(' and ')} topic ${topic} does not exist`,
    roles.includes('input')
      ? `create it with a partition for each replica that you may run: ${createTopicCommand(topic, kafka, keptMs(lifetimes))}`
      : 'create it, or restart the relay, so that it creates it if it may',
    topic,
  )
}

/** No match is no error: the platform may create the topic with the first event. */
export function checkPattern(pattern: string, { matches, left }: PatternFacts): Found {
  if (left > 0)
    return error(
      `the patterns of KAFKA_TOPICS match ${left} topics more than a relay reads: their triggers are not read`,
      'narrow the patterns, or share the topics among relays with KAFKA_TOPICS, KAFKA_GROUP_ID and REDIS_PREFIX of their own',
      pattern,
    )
  if (matches > 0) return ok(`${counted(matches, 'topic matches', 'topics match')} ${pattern}`, pattern)
  return warning(
    `no topic matches ${pattern}: the relay reads one from its beginning when it appears`,
    `ignore this if the platform creates its topics with the first event; else correct ${pattern} in KAFKA_TOPICS, or allow the relay's Kafka user to describe the topics`,
    pattern,
  )
}

function checkPatterns(topics: readonly TopicFacts[]): Found[] {
  const found = topics.flatMap(({ topic, pattern }) =>
    pattern === undefined ? [] : [checkPattern(topic, pattern)],
  )
  return found.length > 0 ? found : [ok('KAFKA_TOPICS has no patterns')]
}

function isTopic({ pattern }: TopicFacts): boolean {
  return pattern === undefined
}

/** Replicas share the partitions of the input. */
export function checkPartitions({ topic, partitions, roles }: TopicFacts): Found {
  if (partitions !== 1 || !roles.includes('input')) return ok(counted(partitions, 'partition'), topic)
  return warning(
    `the topic ${topic} has one partition: one replica reads all of it; others only deliver from the backlog`,
    'create it with a partition for each replica that you may run; partitions added later separate new records of a session from old ones',
    topic,
  )
}

type Lifetimes = Pick<Expectations, 'retryDeadlineMs' | 'sessionLifetimeMs'>

/** For so long whatever is on the topic may be needed again. Milliseconds. */
function keptMs({ retryDeadlineMs, sessionLifetimeMs }: Lifetimes): number {
  return Math.max(retryDeadlineMs, sessionLifetimeMs)
}

/** What the topic has dropped can neither be consumed late nor be read again when Redis has lost its data. */
export function checkRetention({ topic, roles, settings }: TopicFacts, expected: Lifetimes): Found[] {
  const isInput = roles.includes('input')
  const isToLast = isInput || roles.includes('outcome')
  if ('unread' in settings) {
    if (!isToLast) return []
    const remedy = `allow the relay's Kafka user to run DescribeConfigs on ${topic}, or ensure its retention and cleanup.policy`
    return [unreadHint(`the settings of the topic ${topic}`, settings, remedy, topic)]
  }
  const { cleanupPolicies, retentionBytes, retentionMs } = settings.value
  const kept = ok(retentionMs < 0 ? 'kept forever' : `kept for ${durationText(retentionMs)}`, topic)
  // Without `delete` nothing is dropped for its age; what compaction drops is told by its own check.
  if (!isToLast || !cleanupPolicies.includes('delete')) return [kept]
  const found = isInput
    ? tooShortForInput(topic, retentionMs, expected)
    : tooShortForOutcomes(topic, retentionMs, expected)
  if (retentionBytes >= 0) {
    const text = `the topic ${topic} keeps at most ${retentionBytes} bytes per partition, so it may drop records before its retention.ms`
    found.push(hint(text, `set retention.bytes of ${topic} to -1`, `${topic} retention.bytes`))
  }
  return found.length > 0 ? found : [kept]
}

function tooShortForInput(
  topic: string,
  retentionMs: number,
  { retryDeadlineMs, sessionLifetimeMs }: Lifetimes,
): Found[] {
  if (retentionMs < 0 || retentionMs >= keptMs({ retryDeadlineMs, sessionLifetimeMs })) return []
  const keeps = `the topic ${topic} keeps records for ${durationText(retentionMs)}`
  const remedy = `set retention.ms of ${topic} to at least ${keptMs({ retryDeadlineMs, sessionLifetimeMs })}`
  const text =
    retentionMs < retryDeadlineMs
      ? `${keeps}, less than RETRY_DEADLINE_MS (${durationText(retryDeadlineMs)}): after a loss of Redis, triggers in retry ` +
        'are gone before a relay can read them again; so are triggers that a stopped relay has not read'
      : `${keeps}, less than SESSION_LIFETIME_MS (${durationText(sessionLifetimeMs)}): after a loss of Redis, a relay cannot rebuild older ` +
        'registrations, and their logouts are not sent'
  return [warning(text, remedy, topic)]
}

/** A registration that the input topics still hold comes back to life in a rebuild where its outcome is gone. */
function tooShortForOutcomes(
  topic: string,
  retentionMs: number,
  { retryDeadlineMs, sessionLifetimeMs }: Lifetimes,
): Found[] {
  const [name, wantedMs] =
    sessionLifetimeMs > retryDeadlineMs
      ? ['SESSION_LIFETIME_MS', sessionLifetimeMs]
      : ['RETRY_DEADLINE_MS', retryDeadlineMs]
  if (retentionMs < 0 || retentionMs >= wantedMs) return []
  const text =
    `the outcome topic ${topic} keeps records for ${durationText(retentionMs)}, less than ${name} ` +
    `(${durationText(wantedMs)}): after a loss of Redis, relays send past logouts again, or fail them as expired`
  return [warning(text, `set retention.ms of ${topic} to at least ${wantedMs}`, topic)]
}

/** In the order of what is worst, for a topic that has several roles. */
const compactionCosts: readonly (readonly [TopicRole, string])[] = [
  [
    'input',
    'it keeps only the last record of a session, so it drops unread triggers ' +
      'and the registrations that a rebuild needs',
  ],
  ['outcome', 'it drops outcomes, so after a loss of Redis relays send past logouts again'],
  ['shadow', 'it keeps one outcome of a session, so "shadow report" counts too few'],
  ['dead-letter', 'it refuses a poison record without a key, which blocks its partition'],
]

/** Records of a session share a key, and compaction keeps one record of a key. */
export function checkCompaction({ topic, roles, settings }: TopicFacts): Found {
  if ('unread' in settings) return unknown('its settings could not be read', topic)
  const { cleanupPolicies } = settings.value
  if (!cleanupPolicies.includes('compact')) return ok(`cleanup.policy ${cleanupPolicies.join(',')}`, topic)
  const cost = compactionCosts.find(([role]) => roles.includes(role))?.[1]
  return warning(
    `the topic ${topic} is compacted: ${cost}`,
    `set cleanup.policy of ${topic} to delete`,
    topic,
  )
}

export const ownOutcomeTopic =
  'set KAFKA_OUTCOME_TOPIC to a separate topic that only the relays may write (ACL), if others than the identity provider may write to the input topics'

/** Whoever may write triggers may write outcomes then, and end registrations of which no RP is told. */
export function checkOutcomeTopic({ topic, roles }: TopicFacts): Found[] {
  if (!roles.includes('outcome')) return []
  if (!roles.includes('input')) return [ok(`${topic} is not an input topic`, topic)]
  return [
    hint(
      `${topic} is input and outcome topic: anyone who may write triggers can forge outcomes, and a rebuild and "replay --failed" trust them`,
      ownOutcomeTopic,
      topic,
    ),
  ]
}

/** Of those that exist. */
const ofEach =
  (find: (facts: TopicFacts) => Found | readonly Found[]) =>
  (topics: readonly TopicFacts[]): Found[] =>
    topics.filter(({ partitions }) => partitions > 0).flatMap(find)

export const topicChecks = (expected: Expectations): readonly Check<readonly TopicFacts[]>[] => [
  {
    name: 'topic-missing',
    runs: 'always',
    find: (topics) => topics.filter(isTopic).map((it) => checkMissing(it, expected)),
  },
  { name: 'topic-pattern', runs: 'always', find: checkPatterns },
  { name: 'topic-partitions', runs: 'always', find: ofEach(checkPartitions) },
  { name: 'topic-retention', runs: 'always', find: ofEach((facts) => checkRetention(facts, expected)) },
  { name: 'topic-compaction', runs: 'always', find: ofEach(checkCompaction) },
  { name: 'outcome-topic', runs: 'always', find: ofEach(checkOutcomeTopic) },
]
