import { checkTopics } from '../checks/all-checks.ts'
import type { Expectations, TopicFacts } from '../checks/facts.ts'
import { messageOf } from '../errors.ts'
import { durationText } from '../lib/duration-text.ts'
import type { TcpAnswer } from '../lib/tcp-connect.ts'
import { judgeGroupLag, judgeGroupMembers, judgeGroupState } from './group-judgements.ts'
import { hint, ok, problem, warning } from './judgement.ts'
import type { BrokerFacts, ExaminedKafka, PartitionProgress, TopicLayout } from './kafka-facts.ts'
import { networkFault } from './network-fault.ts'
import { type Observation, Observations } from './observation.ts'
import { judgeMessageSize } from './topic-message-size.ts'
import { judgeReplication } from './topic-replication.ts'

export interface KafkaExamination {
  /** The entries of `KAFKA_BROKERS`. */
  readonly bootstrap: readonly string[]
  readonly expected: Expectations
  /** Starts from these brokers. Throws when none of them answers as Kafka does. */
  readonly open: (bootstrap: readonly string[]) => Promise<ExaminedKafka>
  readonly connect: (host: string, port: number) => Promise<TcpAnswer>
  /** Milliseconds since the epoch. */
  readonly nowMs: number
}

/** Looks at the brokers, the topics and the group of the relay. Never throws. */
export async function examineKafka(examination: KafkaExamination): Promise<readonly Observation[]> {
  const { bootstrap, open } = examination
  const notes = new Observations('kafka')
  const [opened] = await Promise.all([
    open(bootstrap).catch((error: unknown) => messageOf(error)),
    examineBootstrap(examination, notes),
  ])
  if (typeof opened === 'string') {
    notes.note('kafka-reachable', problem(opened, 'see to the brokers that KAFKA_BROKERS names'))
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
async function examineBootstrap({ bootstrap, open, connect }: KafkaExamination, notes: Observations) {
  const judgements = await Promise.all(
    bootstrap.map(async (broker) => {
      const end = broker.lastIndexOf(':')
      const tcp = await connect(broker.slice(0, end), Number(broker.slice(end + 1)))
      if (tcp.kind === 'failed') {
        const { what, mend } = networkFault(tcp.code)
        return warning(`${broker}: ${what}`, `${mend}; if it is gone for good, take it out of KAFKA_BROKERS`)
      }
      try {
        await (await open([broker])).close()
        return ok(`${broker} answers`)
      } catch (error) {
        return warning(
          `${broker} takes connections but cannot be used: ${messageOf(error)}`,
          'see whether it is a listener of Kafka for clients, with or without TLS and SASL as configured here, and whether the address in its advertised.listeners can be reached from here',
        )
      }
    }),
  )
  for (const [i, judgement] of judgements.entries()) notes.note('kafka-bootstrap', judgement, bootstrap[i])
}

async function examineBrokersTopicsAndGroup(
  kafka: ExaminedKafka,
  examination: KafkaExamination,
  notes: Observations,
): Promise<void> {
  let brokers: readonly BrokerFacts[] = []
  let topics: readonly TopicFacts[] = []
  await notes.look(['kafka-reachable', 'kafka-broker'], async () => {
    brokers = await kafka.brokers()
    notes.note('kafka-reachable', ok(`the cluster has ${brokers.length} broker(s)`))
    await examineBrokers(brokers, examination, notes)
  })
  await notes.look(
    [
      'topic-missing',
      'topic-partitions',
      'topic-retention',
      'topic-compaction',
      'topic-replication',
      'topic-message-size',
    ],
    async () => {
      topics = await kafka.topics()
      noteTopics(topics, examination.expected, notes)
      await examineLayouts(kafka, topics, brokers.length, notes)
    },
  )
  await notes.look(['group-state', 'group-members', 'group-lag'], () =>
    examineGroup(kafka, topics, examination, notes),
  )
}

/** The addresses that brokers advertise are others than those in `KAFKA_BROKERS`, and may not be reachable from here. */
async function examineBrokers(
  brokers: readonly BrokerFacts[],
  { connect }: KafkaExamination,
  notes: Observations,
): Promise<void> {
  const answers = await Promise.all(brokers.map(({ host, port }) => connect(host, port)))
  for (const [i, { nodeId, host, port }] of brokers.entries()) {
    const answer = answers[i] as TcpAnswer
    const address = `${host}:${port}`
    if (answer.kind === 'connected')
      notes.note('kafka-broker', ok(`${address} takes connections`), String(nodeId))
    else {
      const found = `${address}, which it advertises: ${networkFault(answer.code).what}; the partitions that it leads can be neither read nor written from here`
      const mend =
        'see whether it runs, and whether the address in its advertised.listeners can be reached from here'
      notes.note('kafka-broker', problem(found, mend), String(nodeId))
    }
  }
}

/** What the service checks itself, and where it has nothing to say, what it saw. */
function noteTopics(topics: readonly TopicFacts[], expected: Expectations, notes: Observations): void {
  const findings = checkTopics(topics, expected)
  for (const finding of findings) notes.noteFinding(finding)
  for (const { topic, roles, partitions, settings } of topics) {
    const isFound = (check: string) =>
      findings.some((it) => it.check === check && it.about?.split(' ', 1)[0] === topic)
    if (partitions === 0) continue
    notes.note('topic-missing', ok(`${topic} is there, the ${roles.join(' and ')} topic`), topic)
    if (!isFound('topic-partitions')) notes.note('topic-partitions', ok(`${partitions} partition(s)`), topic)
    if ('unread' in settings) continue
    const { retentionMs, cleanupPolicies } = settings.value
    const kept = retentionMs < 0 ? 'kept without end' : `kept for ${durationText(retentionMs)}`
    if (!isFound('topic-retention')) notes.note('topic-retention', ok(kept), topic)
    if (!isFound('topic-compaction')) {
      notes.note('topic-compaction', ok(`cleanup.policy ${cleanupPolicies.join(',')}`), topic)
    }
  }
}

async function examineLayouts(
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
    'topic-replication',
    'topic-message-size',
  ])
}

async function examineGroup(
  kafka: ExaminedKafka,
  topics: readonly TopicFacts[],
  { expected, nowMs }: KafkaExamination,
  notes: Observations,
): Promise<void> {
  const { groupId, retryDeadlineMs } = expected
  const inputs = topics.filter(({ roles, partitions }) => roles.includes('input') && partitions > 0)
  const partitions = inputs.reduce((sum, topic) => sum + topic.partitions, 0)
  const mend = `let the relay's Kafka user describe the group ${groupId} and its topics`
  const group = await kafka.group()
  const progress = await kafka.progress(nowMs - retryDeadlineMs)
  if ('unread' in group) {
    const judgement = hint(`the group ${groupId} could not be read: ${group.unread}`, mend)
    notes.note('group-state', judgement, groupId)
    notes.note('group-members', judgement, groupId)
  } else {
    const hasProgress = 'value' in progress && progress.value.some(({ committed }) => committed !== undefined)
    notes.note('group-state', judgeGroupState(groupId, group.value, hasProgress), groupId)
    notes.note('group-members', judgeGroupMembers(group.value, partitions), groupId)
  }
  if ('unread' in progress) {
    notes.note(
      'group-lag',
      hint(`the offsets of ${groupId} could not be read: ${progress.unread}`, mend),
      groupId,
    )
    return
  }
  for (const { topic } of inputs) {
    const ofTopic = progress.value.filter((it: PartitionProgress) => it.topic === topic)
    if (ofTopic.length > 0) notes.note('group-lag', judgeGroupLag(topic, ofTopic, retryDeadlineMs), topic)
  }
  notes.noteUnknown('there is no input topic', ['group-lag'])
}
