import type { LogFacts } from './facts.ts'
import type { Finding } from './finding.ts'

/** Records that could be read and not carried out. They are kept in the dead-letter topic. */
export function checkRecordsRefused({ refused }: Pick<LogFacts, 'refused'>): Finding[] {
  return refused.map(({ reason, count, topic, partition, offset }) => ({
    check: 'records-refused',
    about: reason,
    severity: 'warning',
    message: `${count} records became dead letters, the last of them ${topic}/${partition}/${offset}: ${reason}`,
    mend: 'put right what the reason names; then send the records again from the dead-letter topic with logout-relay replay --dead-letters',
  }))
}
