import { counted, wordFor } from '../lib/counted.ts'
import { durationText } from '../lib/duration-text.ts'
import { timeText } from '../lib/time-text.ts'
import type { Check } from './check.ts'
import type { DeadLetterFacts, Expectations, Fact, GroupFacts, PartitionProgress } from './facts.ts'
import { error, type Found, hint, ok, unknown, unreadHint, warning } from './finding.ts'
import { OPEN_TRANSACTION_MS, openTransactionRemedy } from './log-edges.ts'

const LIVE_CLIENT_ID = 'logout-relay'
const SHADOW_CLIENT_ID = 'logout-relay-shadow'

/** The name under which a relay joins its group, by which others see its mode. */
export function relayClientId(mode: 'live' | 'shadow'): string {
  return mode === 'shadow' ? SHADOW_CLIENT_ID : LIVE_CLIENT_ID
}

/** Whether somebody reads. A group that never was one is nothing wrong before the first relay is started. */
export function checkGroupState(
  groupId: string,
  { state, members }: GroupFacts,
  hasProgress: boolean,
): Found {
  const name = `the group ${groupId}`
  if (state.endsWith('Rebalance')) {
    return warning(
      `${name} is rebalancing (${state}) and reads nothing meanwhile`,
      'look again in 30 seconds; if it goes on, find out why relays restart or are too slow',
    )
  }
  if (members.length > 0)
    return ok(`${name} is ${state.toLowerCase()}, with ${counted(members.length, 'member')}`)
  // Kafka forgets an empty group that has no offsets; then it is `Dead`.
  return hasProgress || state === 'Empty'
    ? error(
        `${name} has no members: no relay reads the triggers`,
        'start a relay, or read in its log why it is not ready',
      )
    : hint(`${name} does not exist yet: no relay has used it`, 'start a relay, or correct KAFKA_GROUP_ID')
}

/** Whether the members are relays, and not more than there is to read. `partitions` is the number of all of the input. */
export function checkGroupMembers({ members }: GroupFacts, partitions: number): Found {
  const strangers = [...new Set(members.map(({ clientId }) => clientId))].filter(
    (it) => it !== LIVE_CLIENT_ID && it !== SHADOW_CLIENT_ID,
  )
  if (strangers.length > 0) {
    return error(
      `other programs are members of the group (client id ${strangers.slice(0, 3).join(', ')}): no relay reads the partitions that they get`,
      'give them another group, or set another KAFKA_GROUP_ID for the relay',
    )
  }
  const shadows = members.filter(({ clientId }) => clientId === SHADOW_CLIENT_ID).length
  if (shadows > 0 && shadows < members.length) {
    return warning(
      `${shadows} of ${members.length} members run in shadow mode: nobody is told of the sessions whose ends they read`,
      'finish the switch of all replicas to one MODE; a shadow beside a live relay needs its own KAFKA_GROUP_ID and REDIS_PREFIX',
    )
  }
  if (members.length > partitions) {
    return hint(
      `${members.length} members share ${counted(partitions, 'partition')}: ${members.length - partitions} of them read nothing and only deliver from the backlog`,
      'run fewer replicas, or add partitions',
    )
  }
  const hosts = members.map(({ host }) => host.replace(/^\//, '')).join(', ')
  const mode = shadows > 0 ? ', in shadow mode' : ''
  return ok(
    members.length === 0
      ? 'none'
      : `${members.length} for ${counted(partitions, 'partition')}: ${hosts}${mode}`,
  )
}

/** Whether the log holds what the group reads next. */
export function checkPositions(topic: string, partitions: readonly PartitionProgress[]): Found {
  const known = partitions.filter((it) => it.committed !== undefined && !it.isOfOther)
  const dropped = known.reduce((sum, { committed = 0, low }) => sum + Math.max(low - committed, 0), 0)
  if (dropped > 0) {
    return error(
      `${topic} has dropped ${counted(dropped, 'unread record')}: their logouts are not sent`,
      `raise retention.ms of ${topic}, and add replicas if the relay is too slow`,
      topic,
    )
  }
  const beyond = known.filter(({ committed = 0, high }) => committed > high)
  if (beyond.length > 0) {
    return error(
      `${topic} ends before the position of the group in ${counted(beyond.length, 'partition')}: it lost records, or it is another topic`,
      'start the relay, so that it reads the topic from its earliest record; find out why records are lost',
      topic,
    )
  }
  return ok(`${topic} holds the next record of each partition`, topic)
}

/** Whether what was read was read of this topic, and not of one that had its name before. */
export function checkIdentity(topic: string, partitions: readonly PartitionProgress[]): Found {
  const others = partitions.filter(({ isOfOther }) => isOfOther).length
  if (others === 0) return ok(`${topic} is the topic that the group has read`, topic)
  return warning(
    `${topic} was deleted and recreated, or is in another cluster: ${counted(others, 'position of the group belongs', 'positions of the group belong')} to the old topic`,
    'start the relay, so that it reads the topic from its beginning; unread records of the old topic are lost',
    topic,
  )
}

/** Whether its end can be read. `nowMs` is in milliseconds since the epoch. */
export function checkTransactions(
  topic: string,
  partitions: readonly PartitionProgress[],
  nowMs: number,
): Found {
  const [first, ...more] = partitions.filter(
    ({ high, readable, hiddenSinceMs = nowMs }) =>
      readable < high && nowMs - hiddenSinceMs >= OPEN_TRANSACTION_MS,
  )
  if (first === undefined) return ok(`no transaction hides the end of ${topic}`, topic)
  const { partition, readable, high, hiddenSinceMs = nowMs } = first
  const others = more.length === 0 ? '' : ` (and in ${more.length} more partitions)`
  return error(
    `${counted(high - readable, 'record')} of ${topic}, partition ${partition}, ${wordFor(high - readable, 'waits', 'wait')} behind an open transaction of another producer ` +
      `at offset ${readable}, for ${durationText(Math.floor((nowMs - hiddenSinceMs) / 1_000) * 1_000)}${others}: their logouts wait until it ends`,
    openTransactionRemedy(topic, partition, readable),
    topic,
  )
}

/** How much of one topic is not settled yet, and whether any of it is older than `lateAfterMs`. */
export function checkGroupLag(
  topic: string,
  partitions: readonly PartitionProgress[],
  lateAfterMs: number,
): Found {
  if (partitions.every(({ committed }) => committed === undefined)) {
    return ok('nothing committed yet: a new group starts where KAFKA_START_FROM says', topic)
  }
  const lags = partitions.map((it) => ({
    ...it,
    lag: Math.max(it.high - Math.max(it.committed ?? it.low, it.low), 0),
  }))
  const sum = lags.reduce((total, { lag }) => total + lag, 0)
  const worst = lags.reduce((most, it) => (it.lag > most.lag ? it : most))
  const text = `${counted(sum, 'record')} behind${sum > 0 ? `, ${worst.lag} of them in partition ${worst.partition}` : ''}`
  const old = lags.filter(({ committed, low, young }) => Math.max(committed ?? low, low) < young)
  if (old.length > 0) {
    return error(
      `${text}; in ${counted(old.length, 'partition')} some are older than LATE_AFTER_MS (${durationText(lateAfterMs)})`,
      'read in the log of the relay what it waits for, such as Redis or Kafka; add replicas if it is only too slow',
      topic,
    )
  }
  return ok(`${topic}: ${text}`, topic)
}

/** `letters`: of the last day. */
export function checkDeadLetters(letters: Fact<DeadLetterFacts>): Found {
  if ('unread' in letters) return unknown(`the dead-letter topic could not be read: ${letters.unread}`)
  const { count, isPart, last, ofOthers, readable, topic } = letters.value
  const others = ofOthers === 0 ? '' : `; ${ofOthers} on ${topic} are of topics that this relay does not read`
  if (count === 0) return ok(`no dead letters of the input topics within a day${others}`)
  const newest =
    last === undefined ? '' : `, the last one of ${last.from} at ${timeText(last.atMs)}: ${last.reason}`
  const text = `${isPart ? 'at least ' : ''}${counted(count, 'record')} of the input topics became ${wordFor(count, 'a dead letter', 'dead letters')} within a day${newest}`
  const now = readable === 0 ? 'none of them can be read now' : `${readable} of them can be read now`
  const again = 'run logout-relay replay --dead-letters --from 1d, if that was not done since'
  return warning(
    `${text}; ${now}${others}`,
    `${readable === count ? again : `fix the cause; then ${again}`}; a day after the last one this is told no more`,
  )
}

export interface GroupExamination {
  readonly group: Fact<GroupFacts>
  /** It has committed something. */
  readonly hasProgress: boolean
  /** Of all of the input. */
  readonly partitions: number
}

export function groupChecks({ groupId }: Pick<Expectations, 'groupId'>): readonly Check<GroupExamination>[] {
  const remedy = `allow the relay's Kafka user to describe the group ${groupId}`
  const read =
    (check: (facts: GroupFacts, examined: GroupExamination) => Found) => (examined: GroupExamination) => {
      const { group } = examined
      return 'unread' in group
        ? [unreadHint(`the group ${groupId}`, group, remedy, groupId)]
        : [{ ...check(group.value, examined), about: groupId }]
    }
  return [
    {
      name: 'group-state',
      runs: 'doctor',
      find: read((facts, { hasProgress }) => checkGroupState(groupId, facts, hasProgress)),
    },
    {
      name: 'group-members',
      runs: 'doctor',
      find: read((facts, { partitions }) => checkGroupMembers(facts, partitions)),
    },
  ]
}

export interface ProgressExamination {
  readonly progress: Fact<readonly PartitionProgress[]>
  /** Milliseconds since the epoch. */
  readonly nowMs: number
}

type TopicProgress = readonly [topic: string, partitions: readonly PartitionProgress[]]

export function progressChecks({
  groupId,
  lateAfterMs,
}: Pick<Expectations, 'groupId' | 'lateAfterMs'>): readonly Check<ProgressExamination>[] {
  const remedy = `allow the relay's Kafka user to describe the group ${groupId} and its topics`
  const ofEach =
    (check: (of: TopicProgress, nowMs: number) => Found) =>
    ({ progress, nowMs }: ProgressExamination): Found[] =>
      'unread' in progress
        ? [unreadHint(`the offsets of ${groupId}`, progress, remedy)]
        : [...Map.groupBy(progress.value, ({ topic }) => topic)].map((of) => check(of, nowMs))
  return [
    { name: 'group-lag', runs: 'doctor', find: ofEach((of) => checkGroupLag(...of, lateAfterMs)) },
    { name: 'topic-recreated', runs: 'doctor', find: ofEach((of) => checkIdentity(...of)) },
    { name: 'positions-passed', runs: 'doctor', find: ofEach((of) => checkPositions(...of)) },
    {
      name: 'open-transaction',
      runs: 'doctor',
      find: ofEach((of, nowMs) => checkTransactions(...of, nowMs)),
    },
  ]
}

export const deadLetterChecks: readonly Check<Fact<DeadLetterFacts>>[] = [
  { name: 'records-refused', runs: 'doctor', find: (letters) => [checkDeadLetters(letters)] },
]
