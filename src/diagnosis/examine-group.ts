import type { DoctorCheck } from './doctor-checks.ts'
import type { Expectations, TopicFacts } from './facts.ts'
import {
  judgeGroupLag,
  judgeGroupMembers,
  judgeGroupState,
  judgeIdentity,
  judgePositions,
  judgeTransactions,
} from './group-judgements.ts'
import { hint } from './judgement.ts'
import type { ExaminedKafka } from './kafka-facts.ts'
import type { Observations } from './observation.ts'

export interface GroupExamination {
  readonly expected: Expectations
  /** Milliseconds since the epoch. */
  readonly nowMs: number
}

export const progressChecks: readonly DoctorCheck[] = [
  'group-lag',
  'topic-recreated',
  'positions-passed',
  'open-transaction',
]

/** `inputs` are the input topics that exist. */
export async function examineGroup(
  kafka: ExaminedKafka,
  inputs: readonly TopicFacts[],
  hasProgress: boolean,
  { expected: { groupId } }: GroupExamination,
  notes: Observations,
): Promise<void> {
  const group = await kafka.group()
  if ('unread' in group) {
    const mend = `let the relay's Kafka user describe the group ${groupId}`
    const judgement = hint(`the group ${groupId} could not be read: ${group.unread}`, mend)
    notes.note('group-state', judgement, groupId)
    notes.note('group-members', judgement, groupId)
    return
  }
  const partitions = inputs.reduce((sum, topic) => sum + topic.partitions, 0)
  notes.note('group-state', judgeGroupState(groupId, group.value, hasProgress), groupId)
  notes.note('group-members', judgeGroupMembers(group.value, partitions), groupId)
}

/** Whether the group has committed anything. */
export async function examineProgress(
  kafka: ExaminedKafka,
  inputs: readonly TopicFacts[],
  { expected: { groupId, retryDeadlineMs }, nowMs }: GroupExamination,
  notes: Observations,
): Promise<boolean> {
  const progress = await kafka.progress(nowMs - retryDeadlineMs)
  if ('unread' in progress) {
    const mend = `let the relay's Kafka user describe the group ${groupId} and its topics`
    const unread = hint(`the offsets of ${groupId} could not be read: ${progress.unread}`, mend)
    for (const check of progressChecks) notes.note(check, unread)
    return false
  }
  for (const { topic } of inputs) {
    const ofTopic = progress.value.filter((it) => it.topic === topic)
    if (ofTopic.length === 0) continue
    notes.note('group-lag', judgeGroupLag(topic, ofTopic, retryDeadlineMs), topic)
    notes.note('topic-recreated', judgeIdentity(topic, ofTopic), topic)
    notes.note('positions-passed', judgePositions(topic, ofTopic), topic)
    notes.note('open-transaction', judgeTransactions(topic, ofTopic, nowMs), topic)
  }
  notes.noteUnknown('there is no input topic', progressChecks)
  return progress.value.some(({ committed }) => committed !== undefined)
}
