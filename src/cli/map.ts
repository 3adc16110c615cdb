import { buffer } from 'node:stream/consumers'
import type { Command } from 'commander'
import { createIssuers, issuersLayout } from '../app/create-issuers.ts'
import { RecordMapping } from '../app/record-mapping.ts'
import { type Layout, layout, readConfigPart } from '../config/config.ts'
import { type Preset, presets, readPreset } from '../config/mapping-file.ts'
import { readEachOption } from '../config/read-each-option.ts'
import type { DecodeResult, ResolveIssuer } from '../events/decoding/decode-record.ts'
import { frameIn } from '../events/decoding/framing.ts'
import { isTopic } from '../events/topic-selection.ts'
import type { WireRecord } from '../events/wire-record.ts'
import type { PartitionRange } from '../intake/log-reader.ts'
import { KafkaLogReader } from '../kafka/kafka-log-reader.ts'
import { systemClock } from '../lib/clock.ts'
import { RelayFault } from '../lib/errors.ts'
import { kafkaClient, openKafka, reachable } from './backends.ts'
import { EXIT_CODE } from './exit-code.ts'
import { type Column, Output } from './output.ts'
import { reads } from './reads.ts'
import { parseTime } from './time-argument.ts'

interface MapArguments {
  readonly preset?: string
  readonly topic?: string
  readonly from?: string
  readonly key?: string
  readonly header?: readonly string[]
  readonly json?: boolean
}

interface Content {
  readonly becomes: string
  readonly issuer?: string
  readonly sessionId?: string
  readonly userId?: string
  readonly clientId?: string
  readonly reason?: string
  /** When it happened, ISO 8601. */
  readonly at?: string
}

type Mapped = Readonly<Record<string, unknown>> &
  Content & {
    /** `topic/partition/offset`, or which one of standard input, from 1. */
    readonly record: string
    readonly rule?: string
  }

const mapLayout = {
  ...issuersLayout,
  kafka: kafkaClient,
  records: layout.records,
} as const satisfies Layout

const READ_FAILURES_MAX = 8
const SHOWN_MAX = 100

const columns: readonly Column<Mapped>[] = [
  { title: 'record', cell: ({ record }) => record },
  { title: 'rule', cell: ({ rule }) => rule },
  { title: 'becomes', cell: ({ becomes }) => becomes },
  { title: 'issuer', cell: ({ issuer }) => issuer },
  { title: 'session', cell: ({ sessionId }) => sessionId },
  { title: 'user', cell: ({ userId }) => userId },
  { title: 'client', cell: ({ clientId }) => clientId },
  { title: 'reason', cell: ({ reason }) => reason },
  { title: 'at', cell: ({ at }) => at },
]

const example = `
Examples:
  logout-relay map --preset keycloak < record.json
  MAPPING_FILE=mapping.yaml logout-relay map --topic keycloak-events --from 1h

Standard input is one record's value as JSON, or one per line; or one that is
framed for a schema registry, as its bytes. Nothing is changed and nothing is
sent. Exit codes: 0 done, 1 a record would become a dead letter, 2 the rules are
wrong, 3 Kafka or the schema registry is unreachable.`

export function addMap(program: Command): void {
  reads(program.command('map'), mapLayout)
    .description('show what records of another format become, and which rule takes them')
    .option('--preset <name>', `the rules of a platform instead of MAPPING_FILE: ${presets.join(', ')}`)
    .option(
      '--topic <name>',
      'the topic of the records, if MAPPING_FILE has several; with --from they are read from it',
    )
    .option('--from <time>', 'read the topic from then on: a duration such as 1h, or a time in ISO 8601')
    .option('--key <text>', 'the key of the record on standard input')
    .option('--header <name=value...>', 'headers of the record on standard input')
    .option('--json', 'one line of JSON per result')
    .addHelpText('after', example)
    .action(map)
}

async function map(options: MapArguments): Promise<void> {
  const { preset, topic, from, json = false } = options
  const { mappingFile, ...records } = readConfigPart(layout.records)
  const file = preset === undefined ? mappingFile : undefined
  if (preset === undefined && file === undefined)
    throw new RelayFault('LR_USAGE', '--preset: is required, or set MAPPING_FILE')
  if (from !== undefined && topic === undefined)
    throw new RelayFault('LR_USAGE', '--topic: is required with --from')
  const mapping = await new RecordMapping({ ...records, mappingFile: file }).open()
  if (preset !== undefined) mapping.decoder.use([mappingOf(presetOf(preset))])
  const output = new Output(json)
  const topics = mapping.decoder.mappings.flatMap((it) => it.topics)
  if (topic === undefined && mapping.decoder.mappings.length > 1)
    throw new RelayFault('LR_USAGE', `--topic: is required, as there are rules for ${topics.join(', ')}`)
  const named = topic ?? String(topics[0]).replaceAll('*', 'x')
  if (!topics.some((it) => isTopic(it, named)))
    output.note(`there are no rules for ${named}, but for ${topics.join(', ')}`)
  const examined = new Examined(mapping, await issuerResolver(), output, from === undefined)
  if (from === undefined)
    for (const record of await recordsOfInput({ ...options, topic: named })) {
      await examined.prepare(record)
      examined.take(record)
    }
  else await readTopic(named, parseTime(from, Date.now(), '--from'), examined)
  examined.finish()
}

/** As it is when no causes are chosen. */
function mappingOf(preset: Preset) {
  const { causes, rules, split } = readPreset(preset)
  return {
    topics: ['*'],
    split,
    rules: rules.filter(({ cause }) => cause === undefined || causes.includes(cause)),
  }
}

function presetOf(name: string): Preset {
  const found = presets.find((it) => it === name)
  if (found !== undefined) return found
  throw new RelayFault('LR_USAGE', `--preset: must be ${presets.join(', ')}`)
}

/** As the relay would call them where its issuers are configured; else as the records do. */
async function issuerResolver(): Promise<ResolveIssuer> {
  const config = readEachOption().part(issuersLayout)
  if (config?.issuers.file === undefined && config?.issuers.issuer === undefined)
    return (name = 'the only issuer') => name
  const issuers = createIssuers(config, systemClock)
  await issuers.open()
  return (name) => issuers.resolve(name)
}

async function recordsOfInput({ topic = '', key, header = [] }: MapArguments): Promise<WireRecord[]> {
  const bytes = await buffer(process.stdin)
  const headers = Object.fromEntries(
    header.map((it) => {
      const at = it.indexOf('=')
      if (at < 1) throw new RelayFault('LR_USAGE', '--header: must be name=value')
      return [it.slice(0, at), it.slice(at + 1)]
    }),
  )
  const values = valuesIn(bytes)
  if (values.length === 0)
    throw new RelayFault('LR_USAGE', 'standard input: is empty; it must be a record as JSON')
  return values.map((value, i) => ({
    topic,
    partition: 0,
    offset: i + 1,
    timestampMs: Date.now(),
    key: key === undefined ? null : Buffer.from(key),
    value,
    headers,
  }))
}

/** One that is framed for a schema registry may hold any bytes. */
function valuesIn(bytes: Buffer): Buffer[] {
  // A byte order mark is no part of a record.
  const input = new TextDecoder().decode(bytes)
  if (frameIn(bytes) !== undefined) return [bytes]
  if (isJson(input)) return [Buffer.from(input)]
  const lines = input.split('\n').filter((line) => line.trim() !== '')
  return lines.map((line) => Buffer.from(line))
}

function isJson(input: string): boolean {
  try {
    JSON.parse(input)
    return true
  } catch {
    return false
  }
}

async function readTopic(topic: string, sinceMs: number, examined: Examined): Promise<void> {
  const { kafka, topics } = await openKafka(readConfigPart(kafkaClient))
  try {
    if (!(await reachable('Kafka', topics.names())).includes(topic))
      throw new RelayFault(
        'LR_TOPIC_MISSING',
        `--topic: there is no topic ${topic}; name one that exists, and no pattern`,
      )
    const { prepare } = examined
    const reader = new KafkaLogReader(kafka, topics, { failuresMax: READ_FAILURES_MAX, prepare })
    const starts = await reachable('Kafka', reader.offsetsAt([topic], sinceMs))
    const bounds = await reachable('Kafka', reader.bounds([topic]))
    const ranges = bounds.flatMap(({ partition, from, to }): PartitionRange[] => {
      const start = Math.max(from, starts.find((it) => it.partition === partition)?.offset ?? from)
      return start < to ? [{ topic, partition, from: start, to }] : []
    })
    if (ranges.length === 0) return
    await reachable(
      'Kafka',
      reader.read(
        ranges,
        async ({ partition, records }) => {
          const end = ranges.find((it) => it.partition === partition)?.to ?? 0
          for (const record of records) if (record.offset < end) examined.take(record)
        },
        new AbortController().signal,
      ),
    )
  } finally {
    await topics.close()
  }
}

/** What records become: each of the first, and the numbers of all. */
class Examined {
  readonly #mapping: RecordMapping
  readonly #decoders: ReturnType<RecordMapping['decoders']>
  readonly #output: Output
  readonly #isInput: boolean
  readonly #rows: Mapped[] = []
  readonly #counts = new Map<string, number>()
  #records = 0
  #poison = 0

  constructor(mapping: RecordMapping, resolveIssuer: ResolveIssuer, output: Output, isInput: boolean) {
    this.#mapping = mapping
    this.#decoders = mapping.decoders(resolveIssuer)
    this.#output = output
    this.#isInput = isInput
  }

  /** Comes before `take`. */
  readonly prepare = (record: WireRecord) => this.#decoders.prepare(record)

  take(record: WireRecord): void {
    this.#records++
    const decoded = this.#decoders.decode(record, Date.now())
    const place = this.#isInput
      ? String(record.offset)
      : `${record.topic}/${record.partition}/${record.offset}`
    for (const result of 'kind' in decoded ? [decoded] : decoded) {
      const { rule } = result
      const row = { record: place, ...(rule !== undefined && { rule }), ...contentOf(result) }
      if (result.kind === 'poison') this.#poison++
      const kind = `${rule === undefined ? '' : `rule ${rule}: `}${result.kind === 'poison' ? 'dead letter' : row.becomes}`
      this.#counts.set(kind, (this.#counts.get(kind) ?? 0) + 1)
      if (this.#output.isJson) this.#output.json(row)
      else if (this.#rows.length < SHOWN_MAX) this.#rows.push(row)
    }
  }

  finish(): void {
    if (!this.#output.isJson) this.#output.rows(columns, this.#rows, 'no records')
    if (this.#records > 1) {
      for (const [kind, count] of [...this.#counts].sort(([, a], [, b]) => b - a))
        this.#output.note(`${count}  ${kind}`)
      for (const { topics, rules } of this.#mapping.decoder.mappings)
        for (const rule of rules)
          if (!this.#mapping.decoder.taken.has(rule))
            this.#output.note(`0  rule ${rule.name} of ${topics.join(', ')}`)
    }
    if (this.#poison > 0) process.exitCode = EXIT_CODE.failed
  }
}

function contentOf(result: DecodeResult): Content {
  switch (result.kind) {
    case 'trigger': {
      const { type, issuer, reason, userId, sessionId, occurredAtMs } = result.trigger
      const at = new Date(occurredAtMs).toISOString()
      return { becomes: type, issuer, ...given({ sessionId, userId, reason }), at }
    }
    case 'registration': {
      const { issuer, sessionId, userId, clientId, registeredAtMs } = result.registration
      const at = registeredAtMs === undefined ? undefined : new Date(registeredAtMs).toISOString()
      return { becomes: 'registration', issuer, sessionId, userId, clientId, ...given({ at }) }
    }
    case 'client': {
      const { type, issuer, clientId, atMs } = result.change
      return { becomes: type, issuer, clientId, at: new Date(atMs).toISOString() }
    }
    case 'skipped':
      return { becomes: `nothing (${result.reason})` }
    case 'poison':
      return { becomes: `a dead letter: ${result.reason}` }
    default:
      return result satisfies never
  }
}

function given(fields: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(fields).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  )
}
