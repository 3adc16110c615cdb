import type { TopicFacts } from './facts.ts'
import type { Finding } from './finding.ts'

export function checkTopicMissing({ topic, partitions, roles }: TopicFacts): Finding[] {
  if (partitions > 0) return []
  return [
    {
      check: 'topic-missing',
      about: topic,
      severity: 'error',
      message: `the ${roles.join(' and ')} topic ${topic} does not exist`,
      mend: roles.includes('input')
        ? `create it, with as many partitions as there may be replicas: kafka-topics.sh --create --topic ${topic} --partitions 12`
        : 'create it, or restart the relay, which creates it when it may',
    },
  ]
}
