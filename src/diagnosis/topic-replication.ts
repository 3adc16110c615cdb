import { hint, type Judgement, ok, problem, warning } from './judgement.ts'
import type { PartitionFacts, TopicLayout } from './kafka-facts.ts'

/**
 * Outcomes are acknowledged by all replicas in sync. With fewer of them than `min.insync.replicas` nothing can be
 * written, and without an outcome no logout is settled. Since Kafka 3.7 a topic with fewer replicas than that needs all
 * of them, and no more (KAFKA-15583).
 */
export function judgeReplication(
  topic: string,
  { partitions, limits }: TopicLayout,
  brokers: number,
): Judgement {
  const leaderless = partitions.filter(({ leader }) => leader < 0)
  if (leaderless.length > 0) {
    return problem(
      `${partitionsText(leaderless)} of ${topic} without a leader: they can be neither read nor written`,
      'bring back the brokers that hold them: see the broker rows',
    )
  }
  const replicas = Math.min(...partitions.map((it) => it.replicas.length))
  const inSync = Math.min(...partitions.map((it) => it.inSync.length))
  const minInSync = 'value' in limits ? limits.value.minInSync : 1
  const numbers = `${replicas} replica(s), ${inSync} in sync, min.insync.replicas ${'value' in limits ? minInSync : 'unknown'}`
  const few = partitions.filter((it) => it.inSync.length < Math.min(minInSync, it.replicas.length))
  if (few.length > 0) {
    return problem(
      `${topic} has ${numbers}: ${partitionsText(few)} take no writes, so outcomes wait and intake stops`,
      'bring back the brokers that are away, or lower min.insync.replicas',
    )
  }
  if (replicas < minInSync) {
    return warning(
      `${topic} has ${numbers}: brokers older than Kafka 3.7 take no writes, newer ones none while a replica is away`,
      `give ${topic} more replicas than min.insync.replicas, such as 3 and 2`,
    )
  }
  const late = partitions.filter((it) => it.inSync.length < it.replicas.length)
  if (late.length > 0) {
    return warning(
      `${topic} has ${numbers}: replicas of ${partitionsText(late)} are behind or away`,
      'see to the brokers that hold them',
    )
  }
  if (replicas === 1) {
    const found = `${topic} has ${numbers}: when its broker is away nothing is read or written, and with its disk the records are lost`
    const mend = `reassign ${topic} to three replicas, with min.insync.replicas 2`
    return brokers > 1 ? warning(found, mend) : hint(found, `use three brokers, then ${mend}`)
  }
  if (replicas <= minInSync) {
    return warning(
      `${topic} has ${numbers}: a single broker that is away stops all writes`,
      `give ${topic} more replicas than min.insync.replicas, such as 3 and 2`,
    )
  }
  return ok(`${topic}: ${numbers}`)
}

function partitionsText(partitions: readonly PartitionFacts[]): string {
  const ids = partitions.map(({ partition }) => partition)
  const more = ids.length > 5 ? ` and ${ids.length - 5} more` : ''
  return `partition(s) ${ids.slice(0, 5).join(', ')}${more}`
}
