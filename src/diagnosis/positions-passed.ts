import { timeText } from '../lib/time-text.ts'
import type { LogFacts, PassedPosition } from './facts.ts'
import type { Finding } from './finding.ts'

const PARTITIONS_SHOWN_MAX = 3

/** What the log had dropped before it was read. Reading goes on at the earliest record that there is. */
export function checkPositionsPassed({ passed }: Pick<LogFacts, 'passed'>): Finding[] {
  const kinds = passed.filter(({ why }) => why !== 'recreated')
  return [...Map.groupBy(kinds, ({ topic, why }) => `${topic} ${why}`).values()].map(findingOf)
}

function findingOf(all: readonly PassedPosition[]): Finding {
  const { topic, why } = all[0] as PassedPosition
  const shown = all.slice(0, PARTITIONS_SHOWN_MAX).map(describe).join('; ')
  const more = all.length > PARTITIONS_SHOWN_MAX ? `; and ${all.length - PARTITIONS_SHOWN_MAX} more` : ''
  const missed = all.reduce((sum, { wanted, position }) => sum + Math.max(position - wanted, 0), 0)
  return {
    check: 'positions-passed',
    about: why === 'retention' ? topic : `${topic} ${why}`,
    severity: 'warning',
    ...textsOf(why, topic, missed, `${shown}${more}`),
  }
}

function textsOf(
  why: PassedPosition['why'],
  topic: string,
  missed: number,
  where: string,
): Pick<Finding, 'message' | 'mend'> {
  switch (why) {
    case 'retention':
      return {
        message: `${topic} has dropped ${missed} record(s) that were never read, so their logouts are not sent (${where})`,
        mend: `raise retention.ms of ${topic}, and add replicas if the relay does not keep up; have the sessions of that time ended again`,
      }
    case 'lacked':
      return {
        message: `Redis had fallen behind, and ${topic} has dropped ${missed} record(s) that it lacks, so what was registered or ended by them is not known (${where})`,
        mend: `raise retention.ms of ${topic} to SESSION_LIFETIME_MS; see why Redis fell back so far; have the sessions of that time ended again`,
      }
    case 'forgotten':
      return {
        message: `neither Kafka nor Redis knows up to where ${topic} was read, although Redis holds the registry: it is read from where KAFKA_START_FROM says, and what came before that is not sent (${where})`,
        mend: `send what was missed with "logout-relay replay --from" the time at which the relay last ran; keep offsets.retention.minutes of the brokers above the time that no relay runs`,
      }
    default:
      return {
        message: `${topic} ends before what was read of it, so it has lost records, and is read from its earliest record again (${where})`,
        mend: `see why ${topic} has lost records: an unclean election of a leader, or a topic that was created anew`,
      }
  }
}

function describe({ partition, why, wanted, position, lastMs, earliestMs }: PassedPosition): string {
  const times = [lastMs, earliestMs].map((ms) => (ms === undefined ? 'unknown' : timeText(ms)))
  if (why === 'forgotten') return `partition ${partition}: from offset ${position}`
  const offsets =
    why === 'retention' || why === 'lacked'
      ? `offsets ${wanted} to ${position - 1}`
      : `from offset ${wanted} to ${position}`
  return `partition ${partition}: ${offsets}, last read ${times[0]}, earliest left ${times[1]}`
}
