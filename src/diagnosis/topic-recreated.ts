import type { LogFacts } from './facts.ts'
import type { Finding } from './finding.ts'

/** Whoever deletes a topic takes what was not read of it. */
export function checkTopicRecreated({ passed }: Pick<LogFacts, 'passed'>): Finding[] {
  const recreated = passed.filter(({ why }) => why === 'recreated')
  return [...Map.groupBy(recreated, ({ topic }) => topic)].map(([topic, all]) => ({
    check: 'topic-recreated',
    about: topic,
    severity: 'warning',
    message:
      `${topic} was deleted and created anew, or is in another cluster: it is read from its beginning; the old one was read ` +
      `up to ${all.map(({ partition, wanted }) => `${partition}:${wanted}`).join(', ')}, and what was behind that is gone`,
    mend: `do not delete ${topic} while a relay reads it; have the sessions ended again whose triggers it took along`,
  }))
}
