import type { LogFacts, TopicFacts } from './facts.ts'
import type { Finding } from './finding.ts'

const mend =
  'where others than the identity provider may write to the input topics, set KAFKA_OUTCOME_TOPIC to a topic of its own to which only the relays may write (ACL)'

/** Whoever may write triggers may write outcomes then, and end registrations of which no RP is told. */
export function checkOutcomeTopic({ topic, roles }: TopicFacts): Finding[] {
  if (!roles.includes('input') || !roles.includes('outcome')) return []
  return [
    {
      check: 'outcome-topic',
      about: topic,
      severity: 'hint',
      message: `${topic} is input and outcome topic: whoever may write triggers to it may forge outcomes, by which a rebuild and "replay --failed" go`,
      mend,
    },
  ]
}

/** Somebody else than a relay writes outcomes, or the log has lost triggers. */
export function checkOutcomesBelieved({ disbelieved }: Pick<LogFacts, 'disbelieved'>): Finding[] {
  const [last] = disbelieved.slice(-1)
  if (last === undefined) return []
  const message = `while the registry was built from the log, ${last}`
  return [
    { check: 'outcome-topic', severity: 'warning', message, mend: `see who writes to the topics; ${mend}` },
  ]
}
