import type { PassedPosition } from '../intake/log-edges.ts'
import { counted, wordFor } from '../lib/counted.ts'
import { timeText } from '../lib/time-text.ts'
import type { Check } from './check.ts'
import type { LogFacts } from './facts.ts'
import { type Found, hint, ok, warning } from './finding.ts'
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
        `${topic} has dropped ${counted(missed, 'unread record')}: their logouts are not sent`,
        `raise retention.ms of ${topic}, and add replicas if the relay is too slow; end the sessions of that time again`,
      ]
    case 'lacked':
      return [
        `Redis fell behind, and ${topic} has dropped ${counted(missed, 'record')} that Redis lacks: their registrations and triggers are lost`,
        `raise retention.ms of ${topic} to SESSION_LIFETIME_MS; find out why Redis fell behind; end the sessions of that time again`,
      ]
    case 'forgotten':
      return [
        `Redis holds the registry, but Kafka and Redis have lost the positions of ${topic}: reading starts where KAFKA_START_FROM says, and earlier logouts are not sent`,
        `run logout-relay replay --from the time of the last run; set offsets.retention.minutes of the brokers above the longest downtime of the relay`,
      ]
    default:
      return [
        `${topic} ends before the position of the relay, so it lost records; the relay reads it from its earliest record again`,
        `find out why ${topic} lost records: an unclean leader election, or a topic that was recreated`,
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
      `${topic} was deleted and recreated, or is in another cluster: the relay reads it from its beginning; it had read the old one ` +
        `up to ${all.map(({ partition, wanted }) => `${partition}:${wanted}`).join(', ')}, and later records are lost`,
      `end the sessions of the lost triggers again; do not delete ${topic} while a relay reads it`,
      topic,
    ),
  )
}

/** Behind the first record of an open transaction nobody can read, whoever wrote it. */
function checkOpenTransactions({ open }: LogFacts): Found[] {
  return open.map(({ topic, partition, from, records, sinceMs }) =>
    warning(
      `${counted(records, 'record')} of ${topic}, partition ${partition}, ${wordFor(records, 'waits', 'wait')} behind an open transaction of another producer ` +
        `at offset ${from}, since ${new Date(sinceMs).toISOString()}: their logouts wait until it ends`,
      openTransactionRemedy(topic, partition, from),
      `${topic}/${partition}`,
    ),
  )
}

export function openTransactionRemedy(topic: string, partition: number, from: number): string {
  const tool = 'kafka-transactions.sh --bootstrap-server "$KAFKA_BROKERS"'
  return (
    `find its producer with ${tool} describe-producers --topic ${topic} --partition ${partition}; ` +
    `end it, or abort it with ${tool} abort --topic ${topic} --partition ${partition} --start-offset ${from}`
  )
}

/** Records that could be read and not carried out. They are kept in the dead-letter topic. */
function checkRecordsRefused({ refused }: LogFacts): Found[] {
  return refused.map(({ reason, count, topic, partition, offset }) =>
    warning(
      `this relay has made ${counted(count, 'dead letter')}, the last one of ${topic}/${partition}/${offset}: ${reason}`,
      'fix this cause, then run logout-relay replay --dead-letters to send the records again; a day after the last one this is told no more',
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
        `while the relay rebuilt Redis from the topic, ${last}`,
        `find out who writes to the topics; ${ownOutcomeTopic}`,
      ),
    )
}

/** A topic that others share carries many types, which are none of the relay's business unless one looks like its own. */
function checkRecordTypes({ unknownTypes: { types, further } }: Pick<LogFacts, 'unknownTypes'>): Found[] {
  const found = types.map(({ type, nearest, count, topic, partition, offset }) => {
    const text = `${counted(count, 'record')} of the unknown type ${type} ${wordFor(count, 'was', 'were')} skipped, the last one ${topic}/${partition}/${offset}`
    return nearest === undefined
      ? hint(
          text,
          `ignore this if they are not meant for the relay; docs/records.md lists those that it reads`,
          type,
        )
      : warning(
          `${text}; it looks like ${nearest}: what they say has no effect`,
          `correct the type to ${nearest}; then publish them again`,
          type,
        )
  })
  if (found.length === 0) return [ok('no record of an unknown type was read')]
  if (further === 0) return found
  const text = `${counted(further, 'record')} of further unknown types ${wordFor(further, 'was', 'were')} skipped`
  return [...found, hint(text, 'ignore this if other applications write to the topic')]
}

function checkWebhooksPublished({ webhookFailures = [] }: LogFacts): Found[] {
  return webhookFailures.map(({ topic, isOfTopic, reason, failures, sinceMs }) =>
    warning(
      `Kafka has taken none of the last ${counted(failures, 'webhook')} for ${topic} since ${timeText(sinceMs)}, and they were answered with 503: ${reason}`,
      `${isOfTopic ? `create ${topic}, or let the relay write to it` : 'restore the connection to Kafka'}; if a platform has given up, have it send them again`,
      topic,
    ),
  )
}

/** Of records that were read, by a relay or for `doctor`. */
export const recordTypeChecks: readonly Check<Pick<LogFacts, 'unknownTypes'>>[] = [
  { name: 'record-type', runs: 'always', find: checkRecordTypes },
]

/** Of what a running relay has heard of the log; what can be looked up from outside `doctor` checks by itself. */
export const logChecks: readonly Check<LogFacts>[] = [
  { name: 'positions-passed', runs: 'always', find: checkPositionsPassed },
  { name: 'topic-recreated', runs: 'always', find: checkRecreated },
  { name: 'open-transaction', runs: 'always', find: checkOpenTransactions },
  { name: 'records-refused', runs: 'always', find: checkRecordsRefused },
  ...recordTypeChecks,
  { name: 'outcome-topic', runs: 'always', find: checkOutcomesBelieved },
  { name: 'webhooks-published', runs: 'always', find: checkWebhooksPublished },
]
