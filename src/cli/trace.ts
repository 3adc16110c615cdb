import type { Command } from 'commander'
import { issuersLayout } from '../app/create-issuers.ts'
import { RecordMapping } from '../app/record-mapping.ts'
import { type Layout, layout, type Placed } from '../config/config.ts'
import { describeHidden, type PartitionRange } from '../intake/log-reader.ts'
import { KafkaLogReader } from '../kafka/kafka-log-reader.ts'
import { topicsText } from '../kafka/kafka-refusal.ts'
import { systemClock } from '../lib/clock.ts'
import { codeOf, messageOf, RelayFault } from '../lib/errors.ts'
import { timeText } from '../lib/time-text.ts'
import { RedisBacklogView } from '../redis/redis-backlog-view.ts'
import { RedisEpochStore } from '../redis/redis-epoch-store.ts'
import { RedisKeys } from '../redis/redis-keys.ts'
import { RedisSessionView } from '../redis/redis-session-view.ts'
import { id, parseIssuer, readConfigFor } from './arguments.ts'
import {
  goByClockOf,
  inputTopics,
  type KafkaBackend,
  kafkaClient,
  openKafka,
  openRedis,
  reachable,
} from './backends.ts'
import { EXIT_CODE } from './exit-code.ts'
import { noteOtherMode } from './other-mode.ts'
import { type Column, Output } from './output.ts'
import { reads } from './reads.ts'
import type { Style } from './table.ts'
import { parseTime, sameAs } from './time-argument.ts'
import { entriesOfRedis } from './trace/entries-of-redis.ts'
import type { Entry } from './trace/entry.ts'
import { searchLog } from './trace/search-log.ts'
import { Subject } from './trace/subject.ts'
import { summarize } from './trace/summary.ts'
import { markUnread, readUpTo } from './trace/unread.ts'

interface Options {
  readonly issuer?: string
  readonly since: string
  readonly json?: boolean
}

const traceLayout = {
  intake: { file: layout.intake.file },
  kafka: {
    ...kafkaClient,
    groupId: layout.kafka.groupId,
    topics: layout.kafka.topics,
    outcomeTopic: layout.kafka.outcomeTopic,
    deadLetterTopic: layout.kafka.deadLetterTopic,
    shadowTopic: layout.kafka.shadowTopic,
  },
  mode: layout.mode,
  records: layout.records,
  redis: layout.redis,
} as const satisfies Layout

export function addTrace(program: Command): void {
  reads(program.command('trace'), traceLayout, issuersLayout)
    .description('show all records about a session or a user, and the state in Redis, as a timeline')
    .argument('<session or user>', 'id of a session or a user', id('<session or user>'))
    .option('--issuer <issuer>', 'the issuer (default: the only one)', parseIssuer)
    .option('--since <time>', 'how far back: a duration such as 2h or 7d, or an ISO 8601 time', '24h')
    .addOption(sameAs('--from <time>', 'since'))
    .option('--json', 'one line of JSON per record, then one for the summary')
    .addHelpText(
      'after',
      `
Exit code 0: every RP that appears has been told. 1: a logout failed or is still
owed, a registration is still alive, the id appears nowhere, no relay has read
one of the records yet, or an open transaction of another producer holds some
back.

Examples:
  $ logout-relay trace alice --since 2h`,
    )
    .action(trace)
}

async function trace(asked: string, options: Options): Promise<void> {
  const output = new Output(options.json === true)
  parseTime(options.since, systemClock.now(), '--since')
  const { issuer, config, resolveIssuer } = await readConfigFor(traceLayout, options.issuer)
  const mapping = await new RecordMapping(config.records).open()
  const redis = await openRedis(config.redis)
  try {
    await goByClockOf(redis)
    const sinceMs = parseTime(options.since, systemClock.now(), '--since')
    const kafka = await openKafka(config.kafka)
    try {
      const keys = new RedisKeys(config.redis.prefix, config.mode)
      const view = new RedisSessionView(redis, keys)
      const subject = await subjectOf(asked, issuer, view)
      const { outcomeTopic, deadLetterTopic, shadowTopic } = config.kafka
      const topics = await reachable(
        'Kafka',
        existing(kafka, config, [outcomeTopic, deadLetterTopic, shadowTopic]),
      )
      const hidden: PartitionRange[] = []
      const decoders = mapping.decoders(resolveIssuer)
      const search = {
        issuer,
        sinceMs,
        topics,
        decoders,
        outcomeTopic,
        onUnreadable: (why: string) => output.note(`cannot be read: ${why}`),
        reader: new KafkaLogReader(kafka.kafka, kafka.topics, { prepare: decoders.prepare }),
        onHidden: (range: PartitionRange) => void hidden.push(range),
        onProgress: (records: number, total: number) => output.redraw(`${records} of ${total} records`),
      }
      const records = await reachable('Kafka', searchLog(search, subject, new AbortController().signal))
      output.redraw('')
      for (const range of hidden) output.note(describeHidden(range))
      const held = await entriesOfRedis(issuer, subject, view, new RedisBacklogView(redis, keys))
      const { names: inputs } = await inputTopics(config.kafka.topics, kafka.topics, config.intake.file)
      const { groupId } = config.kafka
      const applied = () => new RedisEpochStore(redis, keys).positions()
      const read = await reachable(
        'Kafka',
        readUpTo({ applied, groupId, inputs, reader: search.reader }),
      ).catch((error: unknown) => {
        if (codeOf(error) !== 'LR_REFUSED') throw error
        output.note(`how far the relays have read is not known: ${messageOf(error)}`)
        return []
      })
      print([...markUnread(records, held, read), ...held], asked, { output, sinceMs, topics, issuer })
      await noteOtherMode(output, redis, keys, async (other) => {
        const found = await entriesOfRedis(issuer, subject, view, other)
        return found.filter(({ dueMs }) => dueMs !== undefined).length
      })
      // What stands there may be a trigger that nobody was told of.
      if (hidden.length > 0) process.exitCode = EXIT_CODE.failed
    } finally {
      await kafka.topics.close()
    }
  } finally {
    redis.close()
  }
}

/** What Redis knows beforehand saves a second look through the log. */
async function subjectOf(asked: string, issuer: string, view: RedisSessionView): Promise<Subject> {
  const subject = new Subject(asked)
  for await (const sessionIds of view.sessionsOf(issuer, asked))
    for (const sessionId of sessionIds) subject.learn(sessionId, asked)
  const [state] = await view.find(issuer, [asked])
  for (const { sessionId, userId } of state?.registrations ?? []) subject.learn(sessionId, userId)
  return subject
}

/** The relay creates its own topics when it starts for the first time; the others that are named must be there. */
async function existing(
  { topics }: KafkaBackend,
  { intake, kafka }: Pick<Placed<typeof traceLayout>, 'intake' | 'kafka'>,
  own: readonly string[],
) {
  const { names: inputs, selection } = await inputTopics(kafka.topics, topics, intake.file)
  const found = await topics.names()
  const missing = selection.names.find((topic) => !found.includes(topic))
  if (missing !== undefined) {
    throw new RelayFault('LR_TOPIC_MISSING', `topic ${missing} of ${layout.kafka.topics} does not exist`)
  }
  return [...new Set([...inputs, ...own.filter((topic) => found.includes(topic))])]
}

interface Findings {
  readonly output: Output
  readonly sinceMs: number
  readonly topics: readonly string[]
  readonly issuer: string
}

function print(
  entries: readonly Entry[],
  asked: string,
  { output, sinceMs, topics, issuer }: Findings,
): void {
  const since = new Date(sinceMs).toISOString()
  if (entries.length === 0) {
    output.fail(
      `${asked} of ${issuer} appears neither in Redis nor on ${topicsText(topics)} since ${since}; --since looks further back`,
    )
    return
  }
  const now = systemClock.now()
  const summary = summarize(entries, now)
  if (output.isJson) {
    for (const { atMs, dueMs, ...entry } of entries) {
      const dueAt = dueMs === undefined ? {} : { dueAt: timeText(dueMs) }
      output.json({ at: timeText(atMs), ...entry, ...dueAt })
    }
    output.json({ kind: 'summary', since, ...summary })
  } else {
    output.rows(columnsFor(entries), entries, '')
    output.line('')
    output.line(summary.text)
    output.line(`since ${since}; --since looks further back`)
  }
  if (!summary.isSettled) process.exitCode = EXIT_CODE.failed
}

const STYLES: Readonly<Partial<Record<Entry['kind'], Style>>> = {
  sent: 'green',
  failed: 'red',
  'dead-letter': 'red',
  disbelieved: 'red',
  owed: 'yellow',
  waiting: 'yellow',
  unread: 'yellow',
  'unknown-type': 'yellow',
}

function columnsFor(entries: readonly Entry[]): Column<Entry>[] {
  const sessions = new Set(entries.map(({ sessionId }) => sessionId).filter((it) => it !== undefined))
  return [
    {
      title: 'TIME',
      isWhole: true,
      cell: ({ atMs, topic }) => (topic === undefined ? 'now, in Redis' : timeText(atMs)),
    },
    { title: 'WHAT', cell: ({ kind }) => kind, style: ({ kind }) => STYLES[kind] },
    ...(sessions.size > 1
      ? [{ title: 'SESSION', cell: ({ sessionId }: Entry) => sessionId, isProse: true as const }]
      : []),
    { title: 'CLIENT', cell: ({ clientId }) => clientId },
    { title: 'DETAIL', cell: ({ text }) => text, isProse: true },
    {
      title: 'RECORD',
      cell: ({ topic, partition, offset }) => (topic === undefined ? '' : `${topic}/${partition}/${offset}`),
    },
  ]
}
