import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import postgres from 'postgres'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { eventually } from '../../support/eventually.ts'
import { readMetric } from '../../support/relay-metrics.ts'
import { ISSUER, RelaySite } from '../../support/relay-site.ts'
import { replaceFile } from '../../support/signing-key-file.ts'
import { TopicLog, type TopicRecord } from '../../support/topic-log.ts'
import { PageSteps } from '../page-steps.ts'
import { type ConnectorConfig, ConnectWorker } from './connect-worker.ts'
import { startPostgres } from './postgres-server.ts'
import { cloudEvents, type Shape, shapes, withoutSchemas } from './shapes.ts'

const INSTANCE = '100'
/** What the page has: its connectors, and the table of the outbox. */
const page = new PageSteps('feed-it/debezium.md')
const outboxConnector = settings(page.block('EventRouter'))
const changeConnector = {
  ...without(outboxConnector, /^transforms|converter$/),
  ...settings(page.block('eventstore')),
}
const flattening = settings(page.block('ExtractNewRecordState'))

const stack = new AsyncDisposableStack()
/** Of the outbox. */
let site: Awaited<ReturnType<typeof openSite>>
let sql: postgres.Sql
let connect: ConnectWorker
let port: number

beforeAll(async () => {
  const database = stack.use(await startPostgres())
  port = database.port
  connect = stack.use(await ConnectWorker.start(inject('kafkaBrokers')))
  sql = postgres({
    host: '127.0.0.1',
    port,
    user: 'postgres',
    database: 'postgres',
    onnotice: () => undefined,
  })
  stack.defer(() => sql.end())
  site = stack.use(await openSite())
})
afterAll(() => stack.disposeAsync())

async function openSite() {
  const opened = await RelaySite.open({ kafkaBrokers: inject('kafkaBrokers'), redisUrl: inject('redisUrl') })
  return Object.assign(opened, { [Symbol.asyncDispose]: () => opened.close() })
}

/** The connector, for a table here and with a slot of its own. */
function local(config: ConnectorConfig, name: string, table: string): ConnectorConfig {
  return {
    ...config,
    'database.hostname': '127.0.0.1',
    'database.port': String(port),
    'database.user': 'postgres',
    'database.password': 'postgres',
    'database.dbname': 'postgres',
    'topic.prefix': name,
    'slot.name': name,
    'publication.name': name,
    'table.include.list': table,
  }
}

function without(config: ConnectorConfig, names: RegExp): ConnectorConfig {
  return Object.fromEntries(Object.entries(config).filter(([name]) => !names.test(name)))
}

/** Those lines of a block of the page that are settings. */
function settings(block: string): Record<string, string> {
  return Object.fromEntries(
    Array.from(block.matchAll(/^([\w.]+)=(.*)$/gm), ([, name, value]) => [name, value]),
  )
}

async function topicNamed(name: string): Promise<TopicLog> {
  const topic = await TopicLog.create(site.kafkaBrokers, name)
  stack.defer(() => topic.remove())
  return topic
}

describe('an outbox table, by the outbox event router', () => {
  let topics: readonly TopicLog[] = []
  const outbox = new Map<Shape, (type: string, data: Readonly<Record<string, unknown>>) => Promise<void>>()

  beforeAll(async () => {
    topics = await Promise.all(
      ['session-terminated', 'backchannel-logout-registered', ...shapes.map((_, i) => `sessions-${i}`)].map(
        (it) => topicNamed(`outbox.event.${it}`),
      ),
    )
    await Promise.all(
      shapes.map(async (shape, i) => {
        const table = `outbox_${i}`
        const [create = ''] = page.block('create table outbox').split('\n')
        await sql.unsafe(create.replace('outbox', table))
        const config = shape.config && { ...without(outboxConnector, /placement$/), ...shape.config }
        await connect.run(table, local(config ?? outboxConnector, table, `public.${table}`))
        outbox.set(shape, async (type, data) => {
          const aggregate = shape.type === 'topic' ? type : `sessions-${i}`
          const payload = shape.type === 'payload' ? { type, ...data } : data
          const row = {
            id: randomUUID(),
            aggregatetype: aggregate,
            aggregateid: String(data.sessionId),
            type,
          }
          await sql`insert into ${sql(table)} ${sql({ ...row, payload: sql.json(payload as never) })}`
        })
      }),
    )
    await site.startRelay({
      KAFKA_TOPICS: topics.map(({ name }) => name).join(','),
      KAFKA_OUTCOME_TOPIC: site.topic.name,
      KAFKA_DEAD_LETTER_TOPIC: site.deadLetterTopic,
    })
  })

  test.each(shapes)('$name: a login and its logout reach the RP', async (shape) => {
    const insert = outbox.get(shape) as NonNullable<ReturnType<typeof outbox.get>>
    const path = `/${randomUUID()}`
    const registration = site.registration(path)
    const { sessionId, userId } = registration
    await insert('backchannel-logout-registered', registration)
    await insert('session-terminated', { issuer: ISSUER, sessionId })
    const { claims } = await site.rps.waitFor(path)
    expect(claims).toMatchObject({ iss: ISSUER, sid: sessionId, sub: userId })
    const isMine = ({ value }: TopicRecord) => String(value).includes(sessionId)
    for (const record of topics.flatMap(({ records }) => records.filter(isMine)))
      expect(String(record.value)).toMatch(shape.value)
  })
})

describe('change records of a table like that of ZITADEL', () => {
  let sequence = 0

  beforeAll(() =>
    sql.unsafe(`
      create schema eventstore;
      create table eventstore.events2 (
        instance_id text, aggregate_type text, aggregate_id text, event_type text, sequence bigint, revision smallint,
        created_at timestamptz, payload jsonb, creator text, owner text, position decimal, in_tx_order integer,
        primary key (instance_id, aggregate_type, aggregate_id, sequence)
      )`),
  )

  async function insert(aggregate: string, id: string, type: string, payload: object): Promise<void> {
    const event = { aggregate_type: aggregate, aggregate_id: id, event_type: type, created_at: new Date() }
    const of = { instance_id: INSTANCE, owner: INSTANCE, creator: 'u-1', revision: 1, sequence: ++sequence }
    const order = { position: '1769851800.123456', in_tx_order: 1, payload: sql.json(payload as never) }
    await sql`insert into eventstore.events2 ${sql({ ...event, ...of, ...order })}`
  }

  test.each<[string, string, ConnectorConfig]>([
    ['as they are, with schemas', 'rows', {}],
    ['flattened, without schemas', 'flat', { ...flattening, ...withoutSchemas }],
    ['as CloudEvents', 'events', cloudEvents],
  ])('%s: what happens is told, and what a snapshot reads is not', async (_what, name, config) => {
    await using own = await openSite()
    const topic = await topicNamed(`${name}.eventstore.events2`)
    const files = { issuers: join(own.folder, 'issuers.yaml'), mapping: join(own.folder, 'mapping.yaml') }
    const issuer = { issuer: ISSUER, aliases: [INSTANCE], keys: { file: 'keys.json' } }
    await replaceFile(files.issuers, JSON.stringify({ issuers: [issuer] }))
    await replaceFile(
      files.mapping,
      JSON.stringify({ mappings: [{ topics: [topic.name], preset: 'zitadel' }] }),
    )
    const login = async (path: string, userId: string) => {
      const sessionId = randomUUID()
      await insert('session_logout', sessionId, 'session_logout.back_channel.registered', {
        ...{ oidc_session_id: randomUUID(), user_id: userId, client_id: path.slice(1) },
        back_channel_logout_uri: own.rps.uri(path),
      })
      return sessionId
    }
    const past = await login('/past', 'u-1')
    await insert('session', past, 'session.terminated', {})
    await connect.run(name, local({ ...changeConnector, ...config }, name, 'eventstore.events2'))
    const relay = await own.startRelay({
      ...{ ISSUER: '', SIGNING_KEYS_FILE: '', ISSUERS_FILE: files.issuers, MAPPING_FILE: files.mapping },
      ...{ KAFKA_TOPICS: topic.name, KAFKA_OUTCOME_TOPIC: own.topic.name, KAFKA_START_FROM: 'earliest' },
      KAFKA_DEAD_LETTER_TOPIC: own.deadLetterTopic,
    })

    const ended = await login('/terminated', 'u-2')
    await insert('session', ended, 'session.terminated', {})
    const signedOut = await login('/signed-out', 'u-3')
    await insert('user', 'u-3', 'user.human.signed.out', { userAgentID: 'a-1', sessionID: signedOut })
    const disabled = await login('/disabled', 'u-4')
    await insert('user', 'u-4', 'user.deactivated', {})

    for (const [path, sid] of Object.entries({
      '/terminated': ended,
      '/signed-out': signedOut,
      '/disabled': disabled,
    }))
      expect((await own.rps.waitFor(path)).claims).toMatchObject({ iss: ISSUER, sid })
    await eventually(async () => expect(await topic.lag(own.groupId)).toBe(0))
    expect(own.rps.at('/past')).toEqual([])
    expect(await readMetric(relay, 'records_skipped_total', { reason: 'snapshot' })).toBeGreaterThan(0)
  })
})
