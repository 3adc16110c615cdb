import type { Command } from 'commander'
import { createIssuers, issuersLayout } from '../../app/create-issuers.ts'
import { RecordMapping } from '../../app/record-mapping.ts'
import { type Layout, layout, readConfigPart } from '../../config/config.ts'
import type { Decoders } from '../../events/decoding/decode-record.ts'
import { isShadowed } from '../../events/outcome.ts'
import { readOutcomeDetails } from '../../events/read-outcome-details.ts'
import { headerText, positionOf, type WireRecord } from '../../events/wire-record.ts'
import { type PartitionRange, wholeOf } from '../../intake/log-reader.ts'
import { KafkaLogReader } from '../../kafka/kafka-log-reader.ts'
import { systemClock } from '../../lib/clock.ts'
import { counted } from '../../lib/counted.ts'
import { RelayFault } from '../../lib/errors.ts'
import { timeText } from '../../lib/time-text.ts'
import { id, parseIssuer } from '../arguments.ts'
import { inputTopics, type KafkaBackend, kafkaClient, openKafka, reachable } from '../backends.ts'
import { EXIT_CODE } from '../exit-code.ts'
import { type Column, Output } from '../output.ts'
import { reads } from '../reads.ts'
import { parseTime } from '../time-argument.ts'
import { type ShadowProblem, type ShadowRow, ShadowTally } from './shadow-tally.ts'

interface Options {
  readonly since: string
  readonly client?: string
  readonly issuer?: string
  readonly json?: boolean
}

const { groupId, shadowTopic, topics: inputs } = layout.kafka
const reportLayout = {
  ...issuersLayout,
  intake: { file: layout.intake.file },
  kafka: { ...kafkaClient, groupId, shadowTopic, topics: inputs },
  records: layout.records,
} as const satisfies Layout

export function addShadowReport(shadow: Command): void {
  reads(shadow.command('report'), reportLayout)
    .description('per RP: what would have been sent in shadow mode, and what would not, with the reasons')
    .option('--since <time>', 'how far back: a duration such as 2h or 7d, or an ISO 8601 time', '24h')
    .option('--client <id>', 'only this RP', id('--client'))
    .option('--issuer <issuer>', 'only of this issuer', parseIssuer)
    .option('--json', 'one line of JSON per RP, then one for the summary')
    .addHelpText(
      'after',
      `
Reads KAFKA_SHADOW_TOPIC, and the triggers of KAFKA_TOPICS that the group has
read. Exit code 0: everything would have been sent. 1: something would not, or
nothing was shadowed.

Examples:
  $ logout-relay shadow report --since 7d`,
    )
    .action(report)
}

async function report(options: Options): Promise<void> {
  const output = new Output(options.json === true)
  const sinceMs = parseTime(options.since, Date.now(), '--since')
  const config = readConfigPart(reportLayout)
  const issuers = createIssuers(config, systemClock)
  await issuers.open()
  const mapping = await new RecordMapping(config.records).open()
  const issuer =
    options.issuer === undefined ? undefined : (issuers.resolve(options.issuer) ?? options.issuer)
  const kafka = await openKafka(config.kafka)
  try {
    await reachable('Kafka', requireTopic(config.kafka.shadowTopic, kafka))
    const decoders = mapping.decoders((name) => issuers.resolve(name))
    const { prepare } = decoders
    const reading = {
      ...config.kafka,
      topics: (await inputTopics(config.kafka.topics, kafka.topics, config.intake.file)).names,
      decoders,
      issuer,
      sinceMs,
      reader: new KafkaLogReader(kafka.kafka, kafka.topics, { prepare }),
    }
    const tally = new ShadowTally()
    const wasThereBefore = await reachable('Kafka', readOutcomes(reading, tally))
    const unread = await reachable('Kafka', readTriggers(reading, tally, wasThereBefore))
    print({ unread, client: options.client, sinceMs, tally }, output)
  } finally {
    await kafka.topics.close()
  }
}

async function requireTopic(topic: string, { topics }: KafkaBackend): Promise<void> {
  if ((await topics.ask((admin) => admin.listTopics())).includes(topic)) return
  const why = 'no relay has run in shadow mode with it; set KAFKA_SHADOW_TOPIC if it is another'
  throw new RelayFault('LR_TOPIC_MISSING', `topic ${topic} does not exist: ${why}`)
}

interface Reading {
  readonly decoders: Decoders
  readonly groupId: string
  readonly issuer: string | undefined
  readonly reader: KafkaLogReader
  readonly shadowTopic: string
  readonly sinceMs: number
  readonly topics: readonly string[]
}

/** Resolves with whether there are outcomes from before. */
async function readOutcomes(
  { issuer, reader, shadowTopic, sinceMs }: Reading,
  tally: ShadowTally,
): Promise<boolean> {
  const take = async ({ records }: { records: readonly WireRecord[] }): Promise<void> => {
    for (const record of records) {
      if (!isShadowed(record)) continue
      const outcome = readOutcomeDetails(record)
      if (outcome === undefined || (issuer !== undefined && outcome.issuer !== issuer)) continue
      tally.add(headerText(record.headers, 'ce_id') ?? positionOf(record), outcome, record.timestampMs)
    }
  }
  const ranges = await rangesSince(reader, [shadowTopic], sinceMs)
  const wanted = ranges.filter(({ from, to }) => from < to)
  await reader.readOutcomes(wanted, take, new AbortController().signal)
  return ranges.some(({ from }) => from > 0)
}

/**
 * Counts those that the group has read, from the first outcome on where there was no shadow before. Resolves with the number
 * of records that the group has not read.
 */
async function readTriggers(reading: Reading, tally: ShadowTally, wasThereBefore: boolean): Promise<number> {
  const { decoders, groupId, issuer, reader, sinceMs, topics } = reading
  const committed = await reader.committed(groupId, topics)
  let unread = 0
  const ranges = (await rangesSince(reader, topics, sinceMs)).map((range) => {
    const { topic, partition, from, to } = range
    const position = committed.find((it) => it.topic === topic && it.partition === partition)?.offset ?? from
    unread += Math.max(to - Math.max(position, from), 0)
    return { ...range, to: Math.min(to, position) }
  })
  await reader.read(
    ranges.filter(({ from, to }) => from < to),
    async ({ records }) => {
      for (const record of records) {
        if (!decoders.mayConcern(record, 'trigger')) continue
        for (const it of [decoders.decode(record, Date.now())].flat())
          if (it.kind === 'trigger' && (issuer === undefined || it.trigger.issuer === issuer))
            tally.take(it.trigger, wasThereBefore ? undefined : record.timestampMs)
      }
    },
    new AbortController().signal,
  )
  return unread
}

async function rangesSince(
  reader: KafkaLogReader,
  topics: readonly string[],
  sinceMs: number,
): Promise<PartitionRange[]> {
  const starts = await reader.offsetsAt(topics, sinceMs)
  const bounds = (await reader.bounds(topics)).map(wholeOf)
  return bounds.map((range) => {
    const start = starts.find((it) => it.topic === range.topic && it.partition === range.partition)?.offset
    return { ...range, from: Math.max(start ?? range.from, range.from) }
  })
}

interface Found {
  readonly client: string | undefined
  readonly sinceMs: number
  readonly tally: ShadowTally
  readonly unread: number
}

function print({ client, sinceMs, tally, unread }: Found, output: Output): void {
  const rows = tally.rows(client)
  const deliveries = rows.reduce((sum, it) => sum + it.deliveries, 0)
  const send = rows.reduce((sum, it) => sum + it.send, 0)
  const since = timeText(sinceMs)
  const { triggers, withoutRegistration } = tally.counts
  if (send < deliveries || deliveries === 0) process.exitCode = EXIT_CODE.failed
  if (output.isJson) {
    for (const row of rows) output.json(row)
    const counts = { deliveries, send, triggers, withoutRegistration, unread }
    output.json({ kind: 'summary', since, rps: rows.length, ...counts })
    return
  }
  const issuers = new Set(rows.map(({ issuer }) => issuer))
  const ofIssuer =
    issuers.size > 1
      ? [{ title: 'ISSUER', cell: ({ issuer }: ShadowRow) => issuer, isProse: true as const }]
      : []
  output.rows([...ofIssuer, ...columns], rows, `nothing was shadowed since ${since}`)
  const problems = rows.flatMap(({ clientId, problems }) => problems.map((it) => ({ clientId, ...it })))
  if (problems.length > 0) {
    output.line('')
    output.rows(problemColumns, problems, '')
  }
  if (rows.length === 0) return
  output.line('')
  const rps = counted(rows.length, 'RP')
  output.line(
    `${deliveries} logouts at ${rps} since ${since}: ${send} would have been sent, ${deliveries - send} not`,
  )
  output.line(`${triggers} triggers, ${withoutRegistration} of them for sessions without any registration`)
  if (unread > 0) output.line(`${unread} records of the input topics are not read yet`)
}

const columns: readonly Column<ShadowRow>[] = [
  { title: 'CLIENT', cell: ({ clientId }) => clientId },
  { title: 'LOGOUTS', cell: ({ deliveries }) => deliveries, alignment: 'right' },
  { title: 'WOULD SEND', cell: ({ send }) => send, alignment: 'right' },
  { title: 'WOULD NOT', cell: ({ deliveries, send }) => deliveries - send, alignment: 'right' },
  { title: 'TO', cell: ({ origins }) => origins.join(', ') },
]

const problemColumns: readonly Column<ShadowProblem & { clientId: string; [name: string]: unknown }>[] = [
  { title: 'CLIENT', cell: ({ clientId }) => clientId },
  { title: 'WOULD BE', cell: ({ would }) => would },
  { title: 'LOGOUTS', cell: ({ deliveries }) => deliveries, alignment: 'right' },
  { title: 'WHY', cell: ({ error }) => error, isProse: true },
]
