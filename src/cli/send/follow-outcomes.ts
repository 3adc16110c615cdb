import { CLOCK_TOLERANCE_MS } from '../../events/claimed-time.ts'
import { type OutcomeDetails, readOutcomeDetails, shadowedText } from '../../events/read-outcome-details.ts'
import type { Registration } from '../../events/registration.ts'
import { type PartitionRange, wholeOf } from '../../intake/log-reader.ts'
import { KafkaLogReader } from '../../kafka/kafka-log-reader.ts'
import { counted } from '../../lib/counted.ts'
import { delay } from '../../lib/deferred.ts'
import type { RedisSessionView, SessionState } from '../../redis/redis-session-view.ts'
import { type openKafka, reachable } from '../backends.ts'
import { EXIT_CODE } from '../exit-code.ts'
import type { Output } from '../output.ts'
import type { TriggerFields } from './trigger-record.ts'

interface Following extends Awaited<ReturnType<typeof openKafka>> {
  readonly view: RedisSessionView
  /** Whether there is, or was lately, any registration of whom the trigger is about. */
  readonly isKnown: () => Promise<boolean>
  readonly outcomeTopic: string
  readonly output: Output
  readonly waitMs: number
}

const POLL_MS = 100

type Owed = ReadonlyMap<string, Pick<Registration, 'sessionId' | 'oidcSessionId'> & { clientId?: string }>

/**
 * Publishes a trigger and waits until nothing is owed for it any more, in Redis, because the topic alone does not tell
 * how many outcomes there will be; then reads what they were. Resolves with the exit code.
 */
export async function followOutcomes(
  trigger: TriggerFields,
  publish: () => Promise<void>,
  { isKnown, kafka, topics, view, outcomeTopic, output, waitMs }: Following,
): Promise<number> {
  const reader = new KafkaLogReader(kafka, topics)
  const readTo = new Map(await endsOf(outcomeTopic, reader))
  const owed = new Map(await owedFor(trigger, view))
  const endsAtMs = performance.now() + waitMs
  await publish()
  const told = new Map<string, OutcomeDetails>()
  const readOn = async (): Promise<void> => {
    const ranges: PartitionRange[] = []
    for (const [partition, to] of await endsOf(outcomeTopic, reader)) {
      ranges.push({ topic: outcomeTopic, partition, from: readTo.get(partition) ?? 0, to })
      readTo.set(partition, to)
    }
    const outcomes = await outcomesIn(ranges, reader)
    for (const outcome of outcomes) {
      const name = nameOf(outcome)
      if (outcome.issuer !== trigger.issuer || told.has(name)) continue
      if (!owed.has(name) && outcome.triggerId !== trigger.id) continue
      told.set(name, outcome)
      owed.set(name, outcome)
      tell(outcome, output)
    }
  }
  let left: Owed = owed
  let isTakenUp = false
  for (;;) {
    isTakenUp ||= await reachable('Redis', wasTakenUp(trigger, view))
    const now = await reachable('Redis', owedFor(trigger, view))
    // A registration may have been on its way to Redis when the trigger was published.
    for (const [name, registration] of now) owed.set(name, registration)
    const isDone = isTakenUp && now.size === 0
    if (told.size < owed.size) await readOn()
    // Between its outcome and the end of its registration one is owed no more.
    left = new Map([...now].filter(([name]) => !told.has(name)))
    if (isDone) break
    if (performance.now() >= endsAtMs) break
    // A user of very many sessions is not looked up without a pause.
    await delay(Math.max(POLL_MS, owed.size))
  }
  const isAbout = { trigger, isKnown: !isTakenUp || owed.size > 0 || (await isKnown()) }
  return conclude({ ...isAbout, owed, told, left, isTakenUp, waitMs }, output)
}

function tell(outcome: OutcomeDetails, output: Output): void {
  const { kind, sessionId, oidcSessionId, clientId, attempts, status, reason, lastError } = outcome
  if (output.isJson) {
    const { would, error } = outcome
    const shadowed = kind === 'shadowed' && { would, error }
    output.json({
      outcome: kind,
      ...{ sessionId, oidcSessionId, clientId, attempts, status, reason, lastError },
      ...shadowed,
    })
    return
  }
  if (kind === 'shadowed') {
    output.line(`${clientId ?? oidcSessionId}: ${shadowedText(outcome)}; nothing is sent in shadow mode`)
    return
  }
  const how =
    kind === 'sent'
      ? `sent, status ${status}`
      : `failed: ${reason}${lastError === undefined ? '' : ` (${lastError})`}`
  output.line(`${clientId ?? oidcSessionId}: ${how}, attempts ${attempts}`)
}

interface Result {
  readonly owed: Owed
  readonly told: ReadonlyMap<string, OutcomeDetails>
  readonly left: Owed
  readonly isKnown: boolean
  readonly isTakenUp: boolean
  readonly trigger: TriggerFields
  readonly waitMs: number
}

function conclude({ owed, told, left, isKnown, isTakenUp, trigger, waitMs }: Result, output: Output): number {
  if (!isTakenUp) {
    output.fail(`no relay has read the trigger within ${waitMs / 1_000} s; check that one runs`)
    return EXIT_CODE.failed
  }
  if (!isKnown) {
    const { issuer, sessionId, userId } = trigger
    const who = sessionId === undefined ? `user ${userId}` : `session ${sessionId}`
    output.fail(`nobody knows ${who} of ${issuer}: there is no registration, and no outcome of the last day`)
    return EXIT_CODE.failed
  }
  const failed = [...told.values()].filter(({ kind }) => kind === 'failed').length
  const shadowed = [...told.values()].filter(({ kind }) => kind === 'shadowed').length
  const sent = told.size - failed - shadowed
  const silent = owed.size - told.size - left.size
  const parts = [
    ...(shadowed > 0 ? [`${shadowed} shadowed, nothing was sent`] : [`${sent} sent`]),
    ...(failed > 0 ? [`${failed} failed`] : []),
    ...(left.size > 0 ? [`${left.size} still owed`] : []),
    ...(silent > 0 ? [`${silent} removed without an outcome`] : []),
  ]
  if (owed.size === 0) output.line('nothing was owed; "logout-relay trace" shows earlier logouts')
  else output.line(`${counted(owed.size, 'RP')}: ${parts.join(', ')}`)
  if (left.size > 0 && !output.isJson) {
    const clients = [...new Set([...left.values()].map((it) => it.clientId ?? it.oidcSessionId))]
    output.note(`still owed to ${clients.slice(0, 10).join(', ')}; "logout-relay trace" shows why`)
  }
  return sent === owed.size ? EXIT_CODE.ok : EXIT_CODE.failed
}

/** What Redis says is owed, or will be when the trigger is taken up. */
async function owedFor(trigger: TriggerFields, view: RedisSessionView): Promise<Owed> {
  const { issuer, sessionId, userId, occurredAtMs } = trigger
  const sessionIds = sessionId === undefined ? [] : [sessionId]
  if (sessionId === undefined)
    for await (const page of view.sessionsOf(issuer, userId as string)) sessionIds.push(...page)
  const sessions = await view.find(issuer, sessionIds)
  const until = sessionId === undefined ? occurredAtMs + CLOCK_TOLERANCE_MS : Number.POSITIVE_INFINITY
  const found = sessions.flatMap(({ registrations, broken }: SessionState) => [
    ...registrations.filter(
      (it) =>
        it.isShadowed !== true &&
        (it.registeredAtMs ?? 0) <= until &&
        (sessionId !== undefined || it.userId === userId),
    ),
    ...broken,
  ])
  return new Map(found.map((it) => [nameOf(it), it]))
}

/** A relay has read it, or an earlier one for the same session. */
async function wasTakenUp(trigger: TriggerFields, view: RedisSessionView): Promise<boolean> {
  const { issuer, sessionId, userId, id, occurredAtMs } = trigger
  if (sessionId !== undefined) return (await view.find(issuer, [sessionId]))[0]?.ended !== undefined
  const mark = await view.signedOut(issuer, userId as string)
  return mark !== undefined && (mark.origin.id === id || mark.occurredAtMs >= occurredAtMs)
}

async function endsOf(topic: string, reader: KafkaLogReader): Promise<[partition: number, end: number][]> {
  const bounds = await reachable('Kafka', reader.bounds([topic]))
  return bounds.map(wholeOf).map(({ partition, to }) => [partition, to])
}

async function outcomesIn(
  ranges: readonly PartitionRange[],
  reader: KafkaLogReader,
): Promise<OutcomeDetails[]> {
  const outcomes: OutcomeDetails[] = []
  const sound = ranges.filter(({ from, to }) => from < to)
  await reachable(
    'Kafka',
    reader.readOutcomes(
      sound,
      async ({ records }) => {
        for (const record of records) {
          const outcome = readOutcomeDetails(record)
          if (outcome !== undefined) outcomes.push(outcome)
        }
      },
      new AbortController().signal,
    ),
  )
  return outcomes
}

function nameOf({ sessionId, oidcSessionId }: Pick<Registration, 'sessionId' | 'oidcSessionId'>): string {
  return `${sessionId}\n${oidcSessionId}`
}
