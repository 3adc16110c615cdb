import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { inputRecord } from '../support/input-record.ts'
import { relayCommand } from '../support/relay-command.ts'
import { readMetric } from '../support/relay-metrics.ts'
import { ISSUER, type RelaySite } from '../support/relay-site.ts'
import { Examined } from '../support/run-doctor.ts'
import { SchemaRegistryServer } from '../support/schema-registry-server.ts'
import { replaceFile } from '../support/signing-key-file.ts'
import { TopicLog } from '../support/topic-log.ts'
import { openSite } from './open-site.ts'

let site: RelaySite

beforeAll(async () => {
  site = await openSite({ topic: { partitions: 1 } })
})
afterAll(() => site.close())

const examined = (env: Readonly<Record<string, string>> = {}) => Examined.by(site.commandEnvironment(env))

test('without a relay it reads the last records: types that nobody reads, and addresses that the guard refuses', async () => {
  const registration = site.registration('/told', {
    clientId: 'metadata',
    backchannelLogoutUri: 'http://169.254.169.254/logout',
  })
  await site.topic.publish(
    { key: 's', value: JSON.stringify({ type: 'session.terminated', sessionId: 's' }) },
    inputRecord('backchannel-logout-registered', { ...registration, typ: 'JWT' }),
    inputRecord('backchannel-logout-registered', site.registration('/well')),
  )
  const doctor = await examined()
  expect(doctor.all.filter(({ check }) => check === 'record-type')).toMatchObject([
    { severity: 'warning', about: 'session.terminated', text: expect.stringContaining('session-terminated') },
  ])
  expect(doctor.all.filter(({ check }) => check === 'client-egress')).toMatchObject([
    { area: 'relying-party', severity: 'warning', about: 'metadata' },
  ])
  expect(doctor.all.filter(({ check }) => check === 'client-token-type')).toMatchObject([
    { severity: 'warning', about: 'metadata' },
  ])
})

test('dead letters of other relays on the same topic are not those of this one', async () => {
  const reason = (topic: string, offset: number, why: string) => ({
    'dead-letter-reason': why,
    'dead-letter-topic': topic,
    'dead-letter-partition': '0',
    'dead-letter-offset': String(offset),
    'dead-letter-timestamp': String(Date.now()),
  })
  const name = `${site.topic.name}.shared-letters`
  const letters = await TopicLog.create(site.kafkaBrokers, name, { partitions: 1 })
  try {
    const others = Array.from({ length: 3 }, (_, i) => ({
      value: 'x',
      headers: reason('of-others', i, 'no JSON'),
    }))
    await letters.publish(...others)
    const env = { KAFKA_DEAD_LETTER_TOPIC: name }
    const [well] = (await examined(env)).of('records-refused')
    expect(well).toMatch(/^ok: .*; 3 on .* are of topics that this relay does not read/)

    const own = reason(site.topic.name, 7, 'value: is not JSON')
    const value = JSON.stringify({ type: 'session-terminated', sessionId: randomUUID() })
    await letters.publish(
      { value: '{', headers: own },
      // Of another group that reads the same topic.
      { value: '{', headers: own },
      { value, headers: reason(site.topic.name, 8, 'data.issuer: is required') },
    )
    const [found] = (await examined(env)).of('records-refused')
    expect(found).toMatch(
      /^warning: 2 records of the input topics .*data\.issuer: is required; 1 of them can be read/,
    )
    const again = ['replay', '--dead-letters', '--from', '1h', '--dry-run', '--json']
    const replay = await relayCommand(again, site.commandEnvironment(env))
    expect(replay.rows.at(-1)).toMatchObject({ wouldBeSent: 1 })
  } finally {
    await letters.close()
  }
})

test('a schema registry that answers everything but for a schema is not well', async () => {
  await using registry = await SchemaRegistryServer.listen()
  const value = registry.encode({ type: 'session-terminated', sessionId: 'in-avro' })
  const id = value.readUInt32BE(1)
  await site.topic.publish({ key: 'in-avro', value })
  const env = { SCHEMA_REGISTRY_URL: registry.url }
  expect((await examined(env)).of('schema-registry')).toEqual([
    expect.stringMatching(new RegExp(`^ok: .*asked for /schemas/ids/${id}\\)`)),
  ])
  registry.instead = (request, response) =>
    request.url === '/schemas/types'
      ? void response.writeHead(200).end('["AVRO"]')
      : void response.writeHead(500).end('{"error_code":50001}')
  expect((await examined(env)).of('schema-registry')).toEqual([
    expect.stringMatching(new RegExp(`^warning: .*answers 500 .*/schemas/ids/${id}`)),
  ])
})

test('rules for a topic that nobody reads, and an issuer that nobody serves, are told by a relay and by doctor', async () => {
  const file = join(site.folder, 'mapping.yaml')
  const rule = "{ name: out, when: 'value.x == 1', emit: { type: user-signed-out, userId: /u } }"
  const write = (topic: string, issuer: string) =>
    replaceFile(file, `mappings: [{ topics: [${topic}], issuer: "${issuer}", rules: [${rule}] }]\n`)
  await write('keycloak-events', 'https://nobody.example')
  const env = { MAPPING_FILE: file, CHECK_INTERVAL_MS: '200' }
  const relay = await site.startRelay(env)
  const findings = async () =>
    Promise.all(
      ['mapping-topics', 'mapping-issuer'].map((check) =>
        readMetric(relay, 'check_findings', { check, severity: 'warning' }),
      ),
    )
  await eventually(async () => expect(await findings()).toEqual([1, 1]))
  const doctor = await examined(env)
  expect(doctor.of('mapping-topics')).toEqual([expect.stringMatching(/^warning: .*keycloak-events/)])
  expect(doctor.of('mapping-issuer')).toEqual([
    expect.stringMatching(/^warning: .*https:\/\/nobody\.example/),
  ])
  await write(site.topic.name, ISSUER)
  await eventually(async () => expect(await findings()).toEqual([0, 0]))
})
