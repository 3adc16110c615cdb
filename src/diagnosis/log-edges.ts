import type { PassedPosition } from '../intake/log-edges.ts'
import { timeText } from '../lib/time-text.ts'
import type { Check } from './check.ts'
import type { LogFacts } from './facts.ts'
import { type Found, warning } from './finding.ts'
import { ownOutcomeTopic } from './topics.ts'

const PARTITIONS_SHOWN_MAX = 3
/** A transaction takes less; after so long its producer has died or forgotten it. */
export const OPEN_TRANSACTION_MS = 10_000

/** What the log had dropped before it was read. Reading goes on at the earliest record that there is. */
function checkPositionsPassed({ passed }: LogFacts): Found[] {
  const kinds = passed.filter(({ why }) => why !== 'recreated')
  return [...Map.groupBy(kinds, ({ topic, why }) => `${topic} ${why}`).values()].map(passedOf)
}

function passedOf(all: readonly PassedPosition[]): Found {
  const { topic, why } = all[0] as PassedPosition
  const shown = all.slice(0, PARTITIONS_SHOWN_MAX).map(describe).join('; ')
  const more = all.length > PARTITIONS_SHOWN_MAX ? `; and ${all.length - PARTITIONS_SHOWN_MAX} more` : ''
  const missed = all.reduce((sum, { wanted, position }) => sum + Math.max(position - wanted, 0), 0)
  const [text, remedy] = textsOf(why, topic, missed)
  return warning(`${text} (${shown}${more})`, remedy, why === 'retention' ? topic : `${topic} ${why}`)
}

function textsOf(
  why: PassedPosition['why'],
  topic: string,
  missed: number,
): readonly [text: string, remedy: string] {
  switch (why) {
    case 'retention':
      return [
        `${topic} has dropped ${missed} record(s) that were never read, so their logouts are not sent`,
        `raise retention.ms of ${topic}, and add replicas if the relay does not keep up; have the sessions of that time ended again`,
      ]
    case 'lacked':
      return [
        `Redis had fallen behind, and ${topic} has dropped ${missed} record(s) that it lacks, so what was registered or ended by them is not known`,
        `raise retention.ms of ${topic} to SESSION_LIFETIME_MS; see why Redis fell back so far; have the sessions of that time ended again`,
      ]
    case 'forgotten':
      return [
        `neither Kafka nor Redis knows up to where ${topic} was read, although Redis holds the registry: it is read from where KAFKA_START_FROM says, and what came before that is not sent`,
        `send what was missed with "logout-relay replay --from" the time at which the relay last ran; keep offsets.retention.minutes of the brokers above the time that no relay runs`,
      ]
    default:
      return [
        `${topic} ends before what was read of it, so it has lost records, and is read from its earliest record again`,
        `see why ${topic} has lost records: an unclean election of a leader, or a topic that was created anew`,
      ]
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

/** Whoever deletes a topic takes what was not read of it. */
function checkRecreated({ passed }: LogFacts): Found[] {
  const recreated = passed.filter(({ why }) => why === 'recreated')
  return [...Map.groupBy(recreated, ({ topic }) => topic)].map(([topic, all]) =>
    warning(
      `${topic} was deleted and created anew, or is in another cluster: it is read from its beginning; the old one was read ` +
        `up to ${all.map(({ partition, wanted }) => `${partition}:${wanted}`).join(', ')}, and what was behind that is gone`,
      `do not delete ${topic} while a relay reads it; have the sessions ended again whose triggers it took along`,
      topic,
    ),
  )
}

/** Behind the first record of an open transaction nobody can read, whoever wrote it. */
function checkOpenTransactions({ open }: LogFacts): Found[] {
  return open.map(({ topic, partition, from, records, sinceMs }) =>
    warning(
      `${records} record(s) of ${topic}, partition ${partition}, wait behind a transaction that another producer left open ` +
        `at offset ${from}, since ${new Date(sinceMs).toISOString()}: their logouts are not sent before it ends`,
      openTransactionRemedy(topic, partition, from),
      `${topic}/${partition}`,
    ),
  )
}

export function openTransactionRemedy(topic: string, partition: number, from: number): string {
  const tool = 'kafka-transactions.sh --bootstrap-server …'
  return (
    `find its producer with ${tool} find-hanging --broker-id … or describe-producers --topic ${topic} --partition ${partition}; ` +
    `end it, or abort it with ${tool} abort --topic ${topic} --partition ${partition} --start-offset ${from}`
  )
}

/** Records that could be read and not carried out. They are kept in the dead-letter topic. */
function checkRecordsRefused({ refused }: LogFacts): Found[] {
  return refused.map(({ reason, count, topic, partition, offset }) =>
    warning(
      `${count} records became dead letters, the last of them ${topic}/${partition}/${offset}: ${reason}`,
      'put right what the reason names; then send the records again from the dead-letter topic with logout-relay replay --dead-letters',
      reason,
    ),
  )
}

/** Somebody else than a relay writes outcomes, or the log has lost triggers. */
function checkOutcomesBelieved({ disbelieved }: LogFacts): Found[] {
  return disbelieved
    .slice(-1)
    .map((last) =>
      warning(
        `while the registry was built from the log, ${last}`,
        `see who writes to the topics; ${ownOutcomeTopic}`,
      ),
    )
}

/** Of what a running relay has heard of the log; what can be looked up from outside `doctor` checks by itself. */
export const logChecks: readonly Check<LogFacts>[] = [
  { name: 'positions-passed', runs: 'always', find: checkPositionsPassed },
  { name: 'topic-recreated', runs: 'always', find: checkRecreated },
  { name: 'open-transaction', runs: 'always', find: checkOpenTransactions },
  { name: 'records-refused', runs: 'always', find: checkRecordsRefused },
  { name: 'outcome-topic', runs: 'always', find: checkOutcomesBelieved },
]
