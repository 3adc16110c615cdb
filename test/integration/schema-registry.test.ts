import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { freePort } from '../support/free-port.ts'
import { readiness } from '../support/readiness.ts'
import { relayCommand } from '../support/relay-command.ts'
import { ISSUER, type RelaySite } from '../support/relay-site.ts'
import { Examined } from '../support/run-doctor.ts'
import { framed, SchemaRegistryServer } from '../support/schema-registry-server.ts'
import { replaceFile } from '../support/signing-key-file.ts'
import { TopicLog } from '../support/topic-log.ts'
import { openSite } from './open-site.ts'

const LOGIN = { SCHEMA_REGISTRY_USERNAME: 'relay', SCHEMA_REGISTRY_PASSWORD: 'registry-password' }
const AUTHORIZATION = `Basic ${Buffer.from('relay:registry-password').toString('base64')}`

let registry: SchemaRegistryServer
let site: RelaySite
let deadLetters: TopicLog | undefined

beforeEach(async () => {
  registry = await SchemaRegistryServer.listen()
  registry.authorization = AUTHORIZATION
  const env = { SCHEMA_REGISTRY_URL: registry.url, ...LOGIN, CHECK_INTERVAL_MS: '200' }
  site = await openSite({ env, topic: { partitions: 2 } })
})
afterEach(async () => {
  await deadLetters?.close()
  deadLetters = undefined
  await site.close()
  await registry[Symbol.asyncDispose]()
})

const inAvro = (fields: Readonly<Record<string, unknown>>, key = String(fields.sessionId)) => ({
  key,
  value: registry.encode(fields),
})
const login = (path: string) => {
  const registration = site.registration(path)
  const { sessionId } = registration
  return {
    ...registration,
    registered: { type: 'backchannel-logout-registered', ...registration },
    terminated: { type: 'session-terminated', sessionId },
  }
}

const letters = () => deadLetters?.records.map(({ headers }) => String(headers['dead-letter-reason']))

describe('records in Avro', () => {
  test('become logouts, and what cannot be read of them a dead letter that names its schema', async () => {
    await site.startRelay()
    deadLetters = await TopicLog.follow(site.kafkaBrokers, site.deadLetterTopic)
    const { clientId, registered, sessionId, terminated } = login('/avro')
    const outbox = { type: 'record', name: 'Outbox', fields: [{ name: 'payload', type: 'bytes' }] }
    const inner = registry.encode(terminated)
    const length = Buffer.from([((2 * inner.length) & 0x7f) | 0x80, (2 * inner.length) >> 7])
    const early = inAvro({ type: 'user-signed-out', userId: 'early' }, sessionId)
    const missing = early.value.readUInt32BE(1)
    const register = registry.withhold(missing)
    const proto = registry.register({ schema: 'syntax = "proto3";', schemaType: 'PROTOBUF' })
    await site.topic.publish(
      inAvro(registered),
      { key: sessionId, value: framed(registry.register(outbox), Buffer.concat([length, inner])) },
      early,
      { key: sessionId, value: framed(proto, Buffer.from([0, 10])) },
    )
    const outcome = await site.topic.waitForOutcome(clientId, sessionId)
    expect(outcome.data).toMatchObject({ status: 200, sid: sessionId })
    await eventually(async () =>
      expect(letters()).toEqual([
        expect.stringContaining(`schema ${missing} is not in the schema registry`),
        expect.stringContaining(`schema ${proto} is of Protobuf`),
      ]),
    )

    const trace = await relayCommand(['trace', sessionId, '--json'], site.commandEnvironment())
    expect(trace.rows.map(({ kind }) => kind)).toEqual(
      expect.arrayContaining(['registered', 'trigger', 'sent']),
    )

    const noname = ['replay', '--from', '1h', '--client', 'nobody', '--dry-run']
    expect((await relayCommand(noname, site.commandEnvironment())).stderr).toContain('client nobody')

    register()
    const lettersAgain = ['replay', '--dead-letters', '--from', '1h', '--dry-run', '--json']
    const again = await relayCommand(lettersAgain, site.commandEnvironment())
    expect(again.rows.at(-1)).toMatchObject({ wouldBeSent: 1, left: 1 })
  })
})

test('rules read Avro as they read JSON, and `map` shows it', async () => {
  const file = join(site.folder, 'mapping.yaml')
  const rule =
    '{ when: \'value.event == "LOGOUT"\', emit: { type: user-signed-out, userId: text(value.user), time: /at } }'
  await replaceFile(file, `mappings: [{ topics: ["*"], issuer: ${ISSUER}, rules: [${rule}] }]`)
  const { value } = inAvro({ event: 'LOGOUT', user: 4711, at: 1_790_000_000_000 }, 'k')
  const env = site.commandEnvironment({ MAPPING_FILE: file })
  const expected = {
    becomes: 'user-signed-out',
    userId: '4711',
    at: new Date(1_790_000_000_000).toISOString(),
  }
  const ofInput = await relayCommand(['map', '--json'], env, { input: value })
  expect(ofInput.rows).toMatchObject([expected])
  await site.topic.publish({ key: 'k', value })
  const ofTopic = await relayCommand(['map', '--json', '--topic', site.topic.name, '--from', '1h'], env)
  expect(ofTopic.rows).toMatchObject([expected])
})

describe('a schema registry that is away', () => {
  test('at the start: the record waits, other partitions go on, and both are told when it is back', async () => {
    await registry[Symbol.asyncDispose]()
    const port = await freePort()
    const url = `http://127.0.0.1:${port}`
    const relay = await site.startRelay({ SCHEMA_REGISTRY_URL: url })
    deadLetters = await TopicLog.follow(site.kafkaBrokers, site.deadLetterTopic)
    const [waiting, other] = [login('/away'), login('/there')]
    await site.registerInRedis(
      site.registration('/away', { sessionId: waiting.sessionId, userId: waiting.userId }),
      site.registration('/there', { sessionId: other.sessionId, userId: other.userId }),
    )
    await site.topic.publish({ ...inAvro(waiting.terminated), partition: 0 })
    await eventually(async () => {
      const { status, body } = await readiness(relay.url)
      expect(status).toBe(503)
      expect(body['schema-registry']).toContain('ECONNREFUSED')
    })
    await site.topic.publish({ ...site.terminated(other), partition: 1 })
    await site.topic.waitForOutcome(other.clientId, other.sessionId)
    const doctor = await Examined.by(site.commandEnvironment({ SCHEMA_REGISTRY_URL: url }))
    expect(doctor.of('schema-registry')).toEqual([expect.stringMatching(/^warning: .*ECONNREFUSED/)])
    expect(await site.topic.lag(site.groupId)).toBeGreaterThan(0)

    const back = registry
    await back.listen(port)
    const outcome = await site.topic.waitForOutcome(waiting.clientId, waiting.sessionId)
    expect(outcome.data).toMatchObject({ status: 200 })
    await eventually(async () => expect((await readiness(relay.url)).status).toBe(200))
    expect(letters()).toEqual([])
  })

  test('a relay that is killed while a record waits for it loses nothing: the next one waits on', async () => {
    await registry[Symbol.asyncDispose]()
    const port = await freePort()
    const env = { SCHEMA_REGISTRY_URL: `http://127.0.0.1:${port}` }
    const relay = await site.startRelay(env)
    const [waiting, behind, other] = [login('/waiting'), login('/waiting'), login('/there')]
    await site.registerInRedis(
      ...[waiting, behind].map(({ sessionId, userId }) =>
        site.registration('/waiting', { sessionId, userId }),
      ),
      site.registration('/there', { sessionId: other.sessionId, userId: other.userId }),
    )
    await site.topic.publish(
      { ...inAvro(waiting.terminated), partition: 0 },
      { ...site.terminated(behind), partition: 0 },
      { ...site.terminated(other), partition: 1 },
    )
    await site.topic.waitForOutcome(other.clientId, other.sessionId)
    await eventually(async () => expect((await readiness(relay.url)).status).toBe(503))
    await relay.kill()
    const next = await site.launchRelay(env)
    await next.waitForLog(({ msg }) => msg === 'consuming')
    expect(site.topic.outcomes).toHaveLength(1)
    await registry.listen(port)
    for (const { clientId, sessionId } of [waiting, behind])
      expect((await site.topic.waitForOutcome(clientId, sessionId)).data).toMatchObject({ status: 200 })
    expect(site.rps.at('/there')).toHaveLength(1)
  })

  test('or refuses the login while Redis is built from the topic: nothing is left out', async () => {
    const before = await site.startRelay()
    const { clientId, registered, sessionId } = login('/rebuilt')
    await site.topic.publish(inAvro(registered))
    await eventually(async () => expect(await site.redis.exists(site.sessionKey(sessionId))).toBe(1))
    await before.stop()
    await site.redis.del(await site.redisKeys())

    registry.authorization = `Basic ${randomUUID()}`
    const refused = await relayCommand(['reconcile', '--json'], site.commandEnvironment())
    expect(refused.status).toBe(3)
    expect(refused.stderr).toContain('401')
    const port = await freePort()
    await site.launchRelay({ PORT: String(port) })
    await eventually(async () => {
      const { body } = await readiness(`http://127.0.0.1:${port}`)
      expect(body['schema-registry']).toContain('SCHEMA_REGISTRY_PASSWORD')
    })
    registry.authorization = AUTHORIZATION
    await site.topic.publish(site.terminated({ sessionId }))
    await site.topic.waitForOutcome(clientId, sessionId)
  })
})
