import { afterAll, beforeAll, expect, test } from 'vitest'
import { registeredDecoders } from '../../src/events/decoding/decode-record.ts'
import { eventually } from '../support/eventually.ts'
import { avroSamples, connectorSamples, type FormatSample, formatSamples } from '../support/format-samples.ts'
import { relayCommand } from '../support/relay-command.ts'
import type { RelaySite } from '../support/relay-site.ts'
import { end } from '../support/relying-party-server.ts'
import { SchemaRegistryServer } from '../support/schema-registry-server.ts'
import { openSite } from './open-site.ts'

const CLIENT = 'owed'
/** What is attempted once stays parked. */
const PATIENT = { RETRY_DEADLINE_MS: '86400000', BREAKER_FAILURES: '1000' }

interface Seen {
  /** OIDC sessions that Redis holds. */
  readonly registered: readonly string[]
  /** Deliveries that are parked, each with its trigger. */
  readonly ended: readonly string[]
  readonly clients: FormatSample['clients']
}

let registry: SchemaRegistryServer
let site: RelaySite

beforeAll(async () => {
  registry = await SchemaRegistryServer.listen()
  const env = { ...PATIENT, SCHEMA_REGISTRY_URL: registry.url }
  site = await openSite({ env, topic: { partitions: 1 } })
})
afterAll(async () => {
  await site.close()
  await registry[Symbol.asyncDispose]()
})

const command = (...args: string[]) => relayCommand([...args, '--json'], site.commandEnvironment())
const named = (oidcSession: unknown, trigger: unknown) => `${oidcSession} by ${trigger}`

async function inRedis(): Promise<Seen> {
  const { rows } = await command('backlog', 'show', CLIENT, '--limit', '1000')
  const sessions = await site.redisKeys('session:*')
  const fields = await Promise.all(sessions.map((key) => site.redis.hkeys(key)))
  return {
    registered: fields.flat().sort(),
    ended: rows.map(({ oidcSessionId, triggerId }) => named(oidcSessionId, triggerId)).sort(),
    clients: Object.fromEntries(await Promise.all((await site.redisKeys('client:*')).map(clientOf))),
  }
}

async function clientOf(key: string): Promise<[string, Seen['clients'][string]]> {
  const fields = Object.entries(await site.redis.hgetall(key)).filter(([name]) => !name.startsWith('at:'))
  const { states = '', ...settings } = Object.fromEntries(fields)
  return [/\|(.*)}$/.exec(key)?.[1] ?? '', { ...settings, state: states.split(' ').at(-1) ?? '' }]
}

async function loseRedis(): Promise<void> {
  await site.redis.del(await site.redisKeys())
}

test('live intake, replay, rebuild and reconcile see the same in every registered format, through a connector, and in Avro', async () => {
  expect(Object.keys(formatSamples).sort()).toEqual(registeredDecoders.map(({ name }) => name).sort())
  const backchannelLogoutUri = site.rps.uri('/owed', (_request, response) =>
    end(response, 503, { 'retry-after': '3600' }),
  )
  const samples = [...Object.values(formatSamples), connectorSamples, avroSamples].map((samplesOf) =>
    samplesOf((ids) => site.registration('/owed', { ...ids, clientId: CLIENT, backchannelLogoutUri })),
  )
  const expected: Seen = {
    registered: samples.flatMap(({ registered }) => registered).sort(),
    ended: samples.flatMap(({ ended }) => Object.entries(ended).map((it) => named(...it))).sort(),
    clients: Object.assign({}, ...samples.map(({ clients }) => clients)),
  }
  expect(expected.ended.length).toBeGreaterThanOrEqual(samples.length)

  const relay = await site.startRelay()
  const inAvro = samples.pop() as FormatSample
  samples.push({ ...inAvro, records: [] })
  await site.topic.publish(
    ...samples.flatMap(({ records }) => records),
    ...inAvro.records.map((it) => ({ ...it, value: registry.encode(JSON.parse(it.value)) })),
  )
  await site.topic.caughtUp()
  await eventually(async () => expect(await site.topic.lag(site.groupId)).toBe(0))
  await eventually(async () => expect(await inRedis()).toEqual(expected))

  const replay = await command('replay', '--from', '1h', '--dry-run', '--json')
  const owed = replay.rows.filter(({ step }) => step === 'owed')
  expect(owed.map(({ oidcSession, trigger }) => named(oidcSession, trigger)).sort()).toEqual(expected.ended)

  expect(await relay.stop()).toBe(0)
  await loseRedis()
  const next = await site.startRelay()
  await eventually(async () => expect(await inRedis()).toEqual(expected))
  expect(await next.stop()).toBe(0)

  await loseRedis()
  const compared = await command('reconcile', '--dry-run', '--json')
  const missing = compared.rows.filter(({ difference }) => difference === 'missing')
  expect(missing.map(({ oidcSession }) => oidcSession).sort()).toEqual(expected.registered)
  // Attempted once, and parked.
  expect((await command('reconcile', '--wait', '1s')).status).toBe(1)
  expect(await inRedis()).toEqual(expected)
})
