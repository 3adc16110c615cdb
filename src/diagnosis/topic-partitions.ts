import type { TopicFacts } from './facts.ts'
import type { Finding } from './finding.ts'

/** Replicas share the partitions of the input. */
export function checkTopicPartitions({ topic, partitions, roles }: TopicFacts): Finding[] {
  if (partitions !== 1 || !roles.includes('input')) return []
  return [
    {
      check: 'topic-partitions',
      about: topic,
      severity: 'warning',
      message: `the topic ${topic} has one partition: one replica reads all of it, and further ones only help with the backlog`,
      mend: 'create it with as many partitions as there may be replicas; added later, they part the records of a session from earlier ones',
    },
  ]
}
