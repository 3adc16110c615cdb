import { counted, wordFor } from '../lib/counted.ts'
import type { Check } from './check.ts'
import type { PartitionFacts, TopicFacts, TopicLayout, TopicRole } from './facts.ts'
import { error, type Found, hint, ok, unreadHint, warning } from './finding.ts'

/**
 * Outcomes are acknowledged by all replicas in sync. With fewer of them than `min.insync.replicas` nothing can be
 * written, and without an outcome no logout is settled. Since Kafka 3.7 a topic with fewer replicas than that needs all
 * of them, and no more (KAFKA-15583).
 */
export function checkReplication(topic: string, { partitions, limits }: TopicLayout, brokers: number): Found {
  const leaderless = partitions.filter(({ leader }) => leader < 0)
  if (leaderless.length > 0) {
    return error(
      `${partitionsText(leaderless)} of ${topic} have no leader: they can be neither read nor written`,
      'start the brokers that hold them; the findings of kafka-broker name them',
      topic,
    )
  }
  const replicas = Math.min(...partitions.map((it) => it.replicas.length))
  const inSync = Math.min(...partitions.map((it) => it.inSync.length))
  const minInSync = 'value' in limits ? limits.value.minInSync : 1
  const numbers = `${counted(replicas, 'replica')}, ${inSync} in sync, min.insync.replicas ${'value' in limits ? minInSync : 'unknown'}`
  const few = partitions.filter((it) => it.inSync.length < Math.min(minInSync, it.replicas.length))
  if (few.length > 0) {
    return error(
      `${topic} has ${numbers}: ${partitionsText(few)} accept no writes, so outcomes wait and intake stops`,
      'start the missing brokers, or lower min.insync.replicas',
      topic,
    )
  }
  if (replicas < minInSync) {
    return warning(
      `${topic} has ${numbers}: brokers before Kafka 3.7 accept no writes; newer ones accept none while a replica is down`,
      `give ${topic} more replicas than min.insync.replicas, such as 3 and 2`,
      topic,
    )
  }
  const late = partitions.filter((it) => it.inSync.length < it.replicas.length)
  if (late.length > 0) {
    return warning(
      `${topic} has ${numbers}: replicas of ${partitionsText(late)} are behind or down`,
      'check the brokers that hold them',
      topic,
    )
  }
  if (replicas === 1) {
    const text = `${topic} has ${numbers}: if its broker fails, nothing is read or written; if its disk fails, the records are lost`
    const remedy = `reassign ${topic} to three replicas, with min.insync.replicas 2`
    return brokers > 1 ? warning(text, remedy, topic) : hint(text, `use three brokers, then ${remedy}`, topic)
  }
  if (replicas <= minInSync) {
    return warning(
      `${topic} has ${numbers}: one broker that is down stops all writes`,
      `give ${topic} more replicas than min.insync.replicas, such as 3 and 2`,
      topic,
    )
  }
  return ok(`${topic}: ${numbers}`, topic)
}

function partitionsText(partitions: readonly PartitionFacts[]): string {
  const ids = partitions.map(({ partition }) => partition)
  const more = ids.length > 5 ? ` and ${ids.length - 5} more` : ''
  return `${wordFor(ids.length, 'partition')} ${ids.slice(0, 5).join(', ')}${more}`
}

/** A letter that was cut to 900,000 bytes, with its key and headers. */
const CUT_LETTER_BYTES = 1_000_000
/** Room for what a dead letter's headers add to the poison record. */
const HEADER_BYTES = 4_096

/** Whether poison fits into the dead-letter topic. Sizes in bytes. */
export function checkMessageSize(topic: string, max: number, inputMax: number | undefined): Found {
  const remedy = `set max.message.bytes of ${topic} to ${Math.max(16_777_216, (inputMax ?? 0) + HEADER_BYTES)}`
  if (max < CUT_LETTER_BYTES) {
    return error(
      `${topic} accepts records of at most ${max} bytes: a large poison record does not fit even when it is cut, so it blocks its partition`,
      remedy,
      topic,
    )
  }
  if (inputMax !== undefined && max < inputMax + HEADER_BYTES) {
    return hint(
      `${topic} accepts records of at most ${max} bytes, the input topics ${inputMax}: larger poison records are cut to 900,000 bytes`,
      remedy,
      topic,
    )
  }
  return ok(`${topic} accepts records of up to ${max} bytes`, topic)
}

/** The topics that exist, with how they lie on the brokers. */
export interface LayoutFacts {
  readonly topics: readonly TopicFacts[]
  readonly layouts: ReadonlyMap<string, TopicLayout>
  /** Their number. */
  readonly brokers: number
}

function checkMessageSizes({ topics, layouts }: LayoutFacts): Found[] {
  const limitsOf = (role: TopicRole) =>
    topics.flatMap(({ topic, roles }) => {
      const limits = layouts.get(topic)?.limits
      return roles.includes(role) && limits !== undefined ? [{ topic, limits }] : []
    })
  const inputs = limitsOf('input').flatMap(({ limits }) =>
    'value' in limits ? limits.value.messageBytesMax : [],
  )
  const inputMax = inputs.length > 0 ? Math.max(...inputs) : undefined
  return limitsOf('dead-letter').map(({ topic, limits }) =>
    'value' in limits
      ? checkMessageSize(topic, limits.value.messageBytesMax, inputMax)
      : unreadHint(
          `the size limit of ${topic}`,
          limits,
          `allow the relay's Kafka user to run DescribeConfigs on ${topic}`,
          topic,
        ),
  )
}

export const layoutChecks: readonly Check<LayoutFacts>[] = [
  {
    name: 'topic-replication',
    runs: 'doctor',
    find: ({ layouts, brokers }) =>
      [...layouts].map(([topic, layout]) => checkReplication(topic, layout, brokers)),
  },
  { name: 'topic-message-size', runs: 'doctor', find: checkMessageSizes },
]
