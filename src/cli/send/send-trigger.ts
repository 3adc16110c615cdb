import { randomUUID } from 'node:crypto'
import { RecordMapping } from '../../app/record-mapping.ts'
import { type Layout, layout, readConfigPart } from '../../config/config.ts'
import { isSelected } from '../../events/topic-selection.ts'
import type { Trigger } from '../../events/trigger.ts'
import { KafkaLogReader } from '../../kafka/kafka-log-reader.ts'
import { publishRecord } from '../../kafka/kafka-publish.ts'
import { systemClock } from '../../lib/clock.ts'
import { RelayFault } from '../../lib/errors.ts'
import { resolveRange } from '../../recovery/replay-range.ts'
import { RedisKeys } from '../../redis/redis-keys.ts'
import { RedisSessionView } from '../../redis/redis-session-view.ts'
import { readConfigFor } from '../arguments.ts'
import { firstNamed, inputTopics, kafkaClient, openKafka, openRedis, reachable } from '../backends.ts'
import { Output } from '../output.ts'
import { parseDuration } from '../time-argument.ts'
import { unknownNames } from '../unknown-names.ts'
import { followOutcomes } from './follow-outcomes.ts'
import { type TriggerFields, triggerRecord } from './trigger-record.ts'

export interface SendOptions {
  readonly session?: string
  readonly user?: string
  readonly issuer?: string
  readonly reason?: string
  readonly topic?: string
  readonly wait?: string
  readonly json?: boolean
}

/** How far back an outcome shows that somebody is known. */
const KNOWN_MS = 24 * 3_600_000

/** What it reads, and with `--wait` `layout.redis`. */
export const sendLayout = {
  ...kafkaClient,
  topics: layout.kafka.topics,
  intakeFile: layout.intake.file,
  records: layout.records,
  outcomeTopic: layout.kafka.outcomeTopic,
} as const satisfies Layout

/** Publishes one trigger and says where it stands; with `--wait` follows what becomes of it. */
export async function sendTrigger(type: Trigger['type'], options: SendOptions): Promise<void> {
  const output = new Output(options.json === true)
  const waitMs = options.wait === undefined ? undefined : parseWait(options.wait)
  const { issuer, config, isServed, resolveIssuer } = await readConfigFor(sendLayout, options.issuer)
  if (isServed === false) {
    return output.fail(
      `--issuer: nothing was sent, because ${issuer} is not among the issuers that a relay with these settings serves`,
    )
  }
  if (isServed === undefined)
    output.note(
      `whether a relay serves ${issuer} is not known, because neither ${layout.issuers.issuer} nor ${layout.issuers.file} can be read here; one that does not skips the trigger`,
    )
  const { outcomeTopic, topics: selection } = config
  const topic = options.topic ?? firstNamed(selection, 'name one with --topic')
  const { session, user, reason } = options
  const trigger: TriggerFields = {
    type,
    id: randomUUID(),
    issuer,
    occurredAtMs: systemClock.now(),
    ...(session !== undefined && { sessionId: session }),
    ...(user !== undefined && { userId: user }),
    ...(reason !== undefined && { reason }),
  }
  const record = triggerRecord(checkedTopic(topic), trigger)
  if (!isSelected(selection, topic)) {
    output.note(`${topic} is not in ${layout.kafka.topics}: no relay with these settings reads it`)
  }
  const { kafka, topics } = await openKafka(config)
  try {
    const publish = async (): Promise<void> => {
      const position = await reachable('Kafka', publishRecord(kafka, topics, record))
      const { partition, offset } = position
      output.line(`sent ${type} ${trigger.id} to ${topic}/${partition} at offset ${offset}`)
      if (output.isJson) output.json({ sent: type, id: trigger.id, key: record.key, ...position })
    }
    if (waitMs === undefined) return await publish()
    const redisConfig = readConfigPart(layout.redis)
    const redis = await openRedis(redisConfig)
    try {
      const view = new RedisSessionView(redis, new RedisKeys(redisConfig.prefix))
      process.exitCode = await followOutcomes(trigger, publish, {
        kafka,
        topics,
        view,
        outcomeTopic,
        output,
        waitMs,
        isKnown: async () => {
          const mapping = await new RecordMapping(config.records).open()
          const decoders = mapping.decoders(resolveIssuer)
          const reader = new KafkaLogReader(kafka, topics, { prepare: decoders.prepare })
          const fromMs = trigger.occurredAtMs - KNOWN_MS
          const { names } = await inputTopics(selection, topics, config.intakeFile)
          const searched = [...new Set([...names, outcomeTopic])]
          const unknown = await unknownNames(session === undefined ? { user: user as string } : { session }, {
            issuers: [issuer],
            sessions: view,
            reader,
            ranges: await reachable('Kafka', resolveRange({ kind: 'time', fromMs }, searched, reader)),
            decoders,
          })
          return unknown.length === 0
        },
      })
    } finally {
      redis.close()
    }
  } finally {
    await topics.close()
  }
}

/** Seconds as a plain number, or a duration. */
function parseWait(text: string): number {
  const ms = parseDuration(/^\d+$/.test(text) ? `${text}s` : text, '--wait')
  if (ms >= 1 && ms <= 86_400_000) return ms
  throw new RelayFault('LR_USAGE', '--wait: must be at most a day')
}

function checkedTopic(topic: string): string {
  if (/^[\w.-]{1,249}$/.test(topic)) return topic
  throw new RelayFault('LR_USAGE', '--topic: must be a topic name: letters, digits, dot, dash and underscore')
}
