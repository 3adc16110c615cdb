import { durationText } from '../lib/duration-text.ts'
import { hint, type Judgement, ok, problem, warning } from './judgement.ts'
import type { GroupFacts, PartitionProgress } from './kafka-facts.ts'
import { OPEN_TRANSACTION_MS, openTransactionRemedy } from './open-transaction.ts'

const RELAY_CLIENT_ID = 'logout-relay'

/** Whether somebody reads. A group that never was one is no problem before the first relay is started. */
export function judgeGroupState(
  groupId: string,
  { state, members }: GroupFacts,
  hasProgress: boolean,
): Judgement {
  const name = `the group ${groupId}`
  if (state.endsWith('Rebalance')) {
    return warning(
      `${name} deals out its partitions anew (${state}), and reads nothing meanwhile`,
      'look again in half a minute; if it does so all the time, see why relays are restarted or too slow',
    )
  }
  if (members.length > 0) return ok(`${name} is ${state.toLowerCase()}, with ${members.length} member(s)`)
  // Kafka forgets an empty group that has no offsets; then it is `Dead`.
  return hasProgress || state === 'Empty'
    ? problem(
        `${name} has no members: no relay reads the triggers`,
        'start a relay, and see in its log why it is not ready',
      )
    : hint(
        `${name} does not exist yet: no relay has consumed with it`,
        'start a relay, or correct KAFKA_GROUP_ID',
      )
}

/** Whether the members are relays, and not more than there is to read. `partitions` is the number of all of the input. */
export function judgeGroupMembers({ members }: GroupFacts, partitions: number): Judgement {
  const strangers = [...new Set(members.map(({ clientId }) => clientId))].filter(
    (it) => it !== RELAY_CLIENT_ID,
  )
  if (strangers.length > 0) {
    return problem(
      `members that are no relays share the group (client id ${strangers.slice(0, 3).join(', ')}): what they read, no relay reads`,
      'give them, or the relay by KAFKA_GROUP_ID, another group',
    )
  }
  if (members.length > partitions) {
    return hint(
      `${members.length} members share ${partitions} partition(s): ${members.length - partitions} of them read nothing, and only help with the backlog`,
      'run fewer replicas, or add partitions',
    )
  }
  const hosts = members.map(({ host }) => host.replace(/^\//, '')).join(', ')
  return ok(members.length === 0 ? 'none' : `${members.length} for ${partitions} partition(s): ${hosts}`)
}

/** Whether the log holds what the group reads next. */
export function judgePositions(topic: string, partitions: readonly PartitionProgress[]): Judgement {
  const known = partitions.filter((it) => it.committed !== undefined && !it.isOfOther)
  const dropped = known.reduce((sum, { committed = 0, low }) => sum + Math.max(low - committed, 0), 0)
  if (dropped > 0) {
    return problem(
      `${topic} has dropped ${dropped} record(s) that were never read: their logouts are not sent`,
      `raise retention.ms of ${topic}, and add replicas if the relay does not keep up`,
    )
  }
  const beyond = known.filter(({ committed = 0, high }) => committed > high)
  if (beyond.length > 0) {
    return problem(
      `${topic} ends before what was read of it in ${beyond.length} partition(s): it has lost records, or is another topic`,
      'start the relay, which reads it from its earliest record; see why it has lost records',
    )
  }
  return ok(`${topic} holds what is read next`)
}

/** Whether what was read was read of this topic, and not of one that had its name before. */
export function judgeIdentity(topic: string, partitions: readonly PartitionProgress[]): Judgement {
  const others = partitions.filter(({ isOfOther }) => isOfOther).length
  if (others === 0) return ok(`${topic} is the topic that was read`)
  return warning(
    `${topic} was deleted and created anew, or is in another cluster: ${others} position(s) of the group are of the old one`,
    'start the relay, which reads it from its beginning; what was not read of the old one is gone',
  )
}

/** Whether its end can be read. `nowMs` is in milliseconds since the epoch. */
export function judgeTransactions(
  topic: string,
  partitions: readonly PartitionProgress[],
  nowMs: number,
): Judgement {
  const [first, ...more] = partitions.filter(
    ({ high, readable, hiddenSinceMs = nowMs }) =>
      readable < high && nowMs - hiddenSinceMs >= OPEN_TRANSACTION_MS,
  )
  if (first === undefined) return ok(`no transaction hides the end of ${topic}`)
  const { partition, readable, high, hiddenSinceMs = nowMs } = first
  const others = more.length === 0 ? '' : ` (and so in ${more.length} more)`
  return problem(
    `${high - readable} record(s) of ${topic}, partition ${partition}, wait behind a transaction that another producer left open ` +
      `at offset ${readable}, for ${durationText(Math.floor((nowMs - hiddenSinceMs) / 1_000) * 1_000)}${others}: their logouts are not sent before it ends`,
    openTransactionRemedy(topic, partition, readable),
  )
}

/** How much of one topic is not settled yet, and whether any of it is older than `deadlineMs`. */
export function judgeGroupLag(
  topic: string,
  partitions: readonly PartitionProgress[],
  deadlineMs: number,
): Judgement {
  if (partitions.every(({ committed }) => committed === undefined)) {
    return ok('nothing committed yet: a group that is new begins where KAFKA_START_FROM says')
  }
  const lags = partitions.map((it) => ({
    ...it,
    lag: Math.max(it.high - Math.max(it.committed ?? it.low, it.low), 0),
  }))
  const sum = lags.reduce((total, { lag }) => total + lag, 0)
  const worst = lags.reduce((most, it) => (it.lag > most.lag ? it : most))
  const text = `${sum} record(s) behind${sum > 0 ? `, ${worst.lag} of them in partition ${worst.partition}` : ''}`
  const old = lags.filter(({ committed, low, young }) => Math.max(committed ?? low, low) < young)
  if (old.length > 0) {
    return problem(
      `${text}, and in ${old.length} partition(s) some are older than RETRY_DEADLINE_MS (${durationText(deadlineMs)})`,
      'see in the log of the relay what it waits for: Redis, outcomes that are not taken, or no member at all; add replicas if it only is too slow',
    )
  }
  return ok(`${topic}: ${text}`)
}
