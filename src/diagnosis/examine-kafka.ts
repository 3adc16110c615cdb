import { messageOf } from '../errors.ts'
import type { TcpAnswer } from '../lib/tcp-connect.ts'
import { examineGroup, examineProgress, progressChecks } from './examine-group.ts'
import { examineLayouts, noteTopics } from './examine-topics.ts'
import type { Expectations, TopicFacts } from './facts.ts'
import { ok, problem, warning } from './judgement.ts'
import type { BrokerFacts, ExaminedKafka } from './kafka-facts.ts'
import { judgeDeadLetters, judgeKafkaTransport } from './kafka-judgements.ts'
import { networkFault } from './network-fault.ts'
import { type Observation, Observations } from './observation.ts'

export interface KafkaExamination {
  /** The entries of `KAFKA_BROKERS`. */
  readonly bootstrap: readonly string[]
  readonly security: { readonly isTls: boolean; readonly mechanism: string | undefined }
  readonly expected: Expectations
  /** Starts from these brokers. Throws when none of them answers as Kafka does. */
  readonly open: (bootstrap: readonly string[]) => Promise<ExaminedKafka>
  readonly connect: (host: string, port: number) => Promise<TcpAnswer>
  /** Milliseconds since the epoch. */
  readonly nowMs: number
}

const DAY_MS = 86_400_000

/** Looks at the brokers, the topics and the group of the relay. Never throws. */
export async function examineKafka(examination: KafkaExamination): Promise<readonly Observation[]> {
  const { bootstrap, open, security } = examination
  const notes = new Observations('kafka')
  notes.note('kafka-tls', judgeKafkaTransport(bootstrap, security.isTls, security.mechanism))
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
      'outcome-topic',
      'topic-replication',
      'topic-message-size',
    ],
    async () => {
      topics = await kafka.topics()
      noteTopics(topics, examination.expected, notes)
      await examineLayouts(kafka, topics, brokers.length, notes)
    },
  )
  const inputs = topics.filter(({ roles, partitions }) => roles.includes('input') && partitions > 0)
  let hasProgress = false
  await notes.look(progressChecks, async () => {
    hasProgress = await examineProgress(kafka, inputs, examination, notes)
  })
  await notes.look(['records-refused'], async () => {
    const letters = await kafka.deadLetters(examination.nowMs - DAY_MS)
    notes.note('records-refused', judgeDeadLetters(letters))
  })
  await notes.look(['group-state', 'group-members'], () =>
    examineGroup(kafka, inputs, hasProgress, examination, notes),
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
