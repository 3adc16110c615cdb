import { durationText } from '../lib/duration-text.ts'
import { checkTopics } from './all-checks.ts'
import type { Expectations, TopicFacts } from './facts.ts'
import { hint, ok, unknown } from './judgement.ts'
import type { ExaminedKafka, TopicLayout } from './kafka-facts.ts'
import type { Observations } from './observation.ts'
import { judgeMessageSize } from './topic-message-size.ts'
import { judgeReplication } from './topic-replication.ts'

/** What the service checks itself, and where it has nothing to say, what it saw. */
export function noteTopics(topics: readonly TopicFacts[], expected: Expectations, notes: Observations): void {
  const findings = checkTopics(topics, expected)
  for (const finding of findings) notes.noteFinding(finding)
  for (const { topic, roles, partitions, settings } of topics) {
    const isFound = (check: string) =>
      findings.some((it) => it.check === check && it.about?.split(' ', 1)[0] === topic)
    if (partitions === 0) continue
    notes.note('topic-missing', ok(`${topic} is there, the ${roles.join(' and ')} topic`), topic)
    if (roles.includes('outcome') && !isFound('outcome-topic'))
      notes.note('outcome-topic', ok(`${topic} is no input topic`), topic)
    if (!isFound('topic-partitions')) notes.note('topic-partitions', ok(`${partitions} partition(s)`), topic)
    if ('unread' in settings) {
      notes.note('topic-compaction', unknown('its settings could not be read'), topic)
      continue
    }
    const { retentionMs, cleanupPolicies } = settings.value
    const kept = retentionMs < 0 ? 'kept without end' : `kept for ${durationText(retentionMs)}`
    if (!isFound('topic-retention')) notes.note('topic-retention', ok(kept), topic)
    if (!isFound('topic-compaction')) {
      notes.note('topic-compaction', ok(`cleanup.policy ${cleanupPolicies.join(',')}`), topic)
    }
  }
}

/** How the topics lie on the brokers, and how large a record may be. `brokers` is their number. */
export async function examineLayouts(
  kafka: ExaminedKafka,
  topics: readonly TopicFacts[],
  brokers: number,
  notes: Observations,
): Promise<void> {
  const layouts = new Map<string, TopicLayout>()
  for (const { topic, partitions } of topics) {
    if (partitions > 0) layouts.set(topic, await kafka.layout(topic))
  }
  const sizes = (role: 'input' | 'dead-letter') =>
    topics.flatMap(({ topic, roles }) => {
      const limits = layouts.get(topic)?.limits
      return roles.includes(role) && limits !== undefined ? [{ topic, limits }] : []
    })
  for (const [topic, layout] of layouts) {
    notes.note('topic-replication', judgeReplication(topic, layout, brokers), topic)
  }
  const inputSizes = sizes('input').flatMap(({ limits }) =>
    'value' in limits ? limits.value.messageBytesMax : [],
  )
  for (const { topic, limits } of sizes('dead-letter')) {
    const judgement =
      'value' in limits
        ? judgeMessageSize(
            topic,
            limits.value.messageBytesMax,
            inputSizes.length > 0 ? Math.max(...inputSizes) : undefined,
          )
        : hint(
            `the size limit of ${topic} could not be read: ${limits.unread}`,
            `let the relay's Kafka user run DescribeConfigs on ${topic}`,
          )
    notes.note('topic-message-size', judgement, topic)
  }
  notes.noteUnknown('there is no such topic', [
    'topic-partitions',
    'topic-retention',
    'topic-compaction',
    'outcome-topic',
    'topic-replication',
    'topic-message-size',
  ])
}
