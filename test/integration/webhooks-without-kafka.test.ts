import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { type KafkaCluster, startKafkaCluster } from '../stack/kafka-cluster.ts'
import { eventually } from '../support/eventually.ts'
import { relayCommand } from '../support/relay-command.ts'
import { readMetric } from '../support/relay-metrics.ts'
import type { RelayProcess } from '../support/relay-process.ts'
import { ISSUER, RelaySite } from '../support/relay-site.ts'
import { TopicLog } from '../support/topic-log.ts'
import { webhookPlatforms } from '../support/webhook-platforms.ts'

const WITH_RULES = {
  'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
  'allow.everyone.if.no.acl.found': 'true',
  'super.users': 'User:ADMIN',
}
const { ory } = webhookPlatforms

let kafka: KafkaCluster
let site: RelaySite
let webhooks: TopicLog
let relay: RelayProcess
let url: string
/** Of a source whose topic does not exist. */
let missing: string
let env: Record<string, string>

beforeAll(async () => {
  kafka = await startKafkaCluster({ properties: WITH_RULES })
  site = await RelaySite.open({ kafkaBrokers: kafka.brokers, redisUrl: inject('redisUrl') })
  webhooks = await TopicLog.create(kafka.brokers, `${site.topic.name}.ory`)
  const [intake, mapping] = ['intake.yaml', 'mapping.yaml'].map((it) => join(site.folder, it)) as [
    string,
    string,
  ]
  missing = `${site.topic.name}.missing`
  const sources = { ory: webhooks.name, 'ory-2': missing }
  const lines = Object.entries(sources).map(
    ([name, topic]) => `  - { name: ${name}, topic: ${topic}, platform: ory, secretFile: secret }\n`,
  )
  await writeFile(intake, `sources:\n${lines.join('')}`)
  await writeFile(join(site.folder, 'secret'), ory?.credentials.text ?? '')
  const topics = Object.values(sources).join()
  await writeFile(mapping, `mappings: [{ topics: [${topics}], preset: ory, issuer: "${ISSUER}" }]\n`)
  env = {
    INTAKE_PORT: '0',
    INTAKE_FILE: intake,
    MAPPING_FILE: mapping,
    KAFKA_TOPICS: `${site.topic.name},${topics}`,
    CHECK_INTERVAL_MS: '200',
  }
  relay = await site.startRelay(env)
  const { port } = await relay.waitForLog(({ msg }) => msg === 'listening for webhooks')
  url = `http://127.0.0.1:${port}/intake/ory`
})
afterAll(async () => {
  await webhooks?.close()
  await site?.close()
  await kafka?.stop()
})

async function login() {
  const registration = site.registration('/ory')
  await site.registerInRedis(registration)
  const body = ory?.body(registration.sessionId, registration.userId) ?? ''
  const send = (to = url) => fetch(to, { method: 'POST', body, headers: ory?.headers(body) ?? {} })
  return { registration, send }
}
const findings = (check = 'webhooks-published') =>
  readMetric(relay, 'check_findings', { check, severity: 'warning' })
const isReady = async () => (await fetch(`${relay.url}/readyz`)).status === 200

test('a topic that does not exist concerns its source alone: other sources and topics go on, and the relay is ready', async () => {
  const { registration, send } = await login()
  await eventually(async () => expect(await findings('topic-missing')).toBe(1))
  expect(await isReady()).toBe(true)
  const [away, fine] = await Promise.all([send(`${url}-2`), (await login()).send()])
  expect([away.status, fine.status]).toEqual([503, 204])
  const other = site.registration('/own')
  await site.topic.publish(site.registered(other), site.terminated(other))
  await site.topic.waitForOutcome(other.clientId, other.sessionId)
  expect(await isReady()).toBe(true)
  await eventually(async () => expect(await findings()).toBe(1))
  const run = (...args: string[]) => relayCommand([...args, '--json'], site.commandEnvironment(env))
  const reading = [
    ['trace', other.sessionId],
    ['replay', '--from', '1h', '--dry-run'],
    ['replay', '--dead-letters', '--from', '1h', '--dry-run'],
    ['reconcile', '--dry-run'],
  ]
  for (const args of reading) expect(await run(...args), args.join(' ')).toMatchObject({ status: 0 })
  // Nobody knows that session, which only reading the topics tells.
  const sent = await run(
    'send',
    'session-terminated',
    '--session',
    'nobodys',
    '--topic',
    site.topic.name,
    '--wait',
    '10s',
  )
  expect(sent.stderr).not.toContain(missing)
  const doctor = await run('doctor')
  expect(doctor.rows.filter(({ check }) => check === 'topic-missing')).toContainEqual(
    expect.objectContaining({ severity: 'warning', about: missing }),
  )

  const created = await TopicLog.create(kafka.brokers, missing)
  try {
    await eventually(async () => expect((await send(`${url}-2`)).status).toBe(204))
    // Written before the relay has noticed the topic, it counts all the same.
    await site.topic.waitForOutcome(registration.clientId, registration.sessionId)
    await eventually(async () => expect(await findings('topic-missing')).toBe(0))
    await eventually(async () => expect(await findings()).toBe(0))
  } finally {
    await created.close()
  }
})

test('a topic that the relay may not write to: 503 and a finding; what the platform sends again is told', async () => {
  const { registration, send } = await login()
  await webhooks.forbidWriting()
  try {
    const refused = await send()
    expect(refused.status).toBe(503)
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
    await eventually(async () => expect(await findings()).toBe(1))
    expect(await isReady()).toBe(true)
    expect(
      await readMetric(relay, 'intake_requests_total', { source: 'ory', result: 'unpublished' }),
    ).toBeGreaterThan(0)
  } finally {
    await webhooks.allowWriting()
  }
  await eventually(async () => expect((await send()).status).toBe(204))
  await site.topic.waitForOutcome(registration.clientId, registration.sessionId)
  await eventually(async () => expect(await findings()).toBe(0))
})

test('a Kafka that is gone: 503 in time for every platform; with Kafka back everything that was sent again is told', async () => {
  const them = await Promise.all(Array.from({ length: 10 }, login))
  await kafka.kill(0)
  const answers = await Promise.all(them.map(({ send }) => send()))
  expect(answers.map(({ status }) => status)).toEqual(them.map(() => 503))
  await kafka.start(0)
  for (const { send } of them) await eventually(async () => expect((await send()).status).toBe(204))
  for (const { registration } of them)
    await site.topic.waitForOutcome(registration.clientId, registration.sessionId)
})

test('a Kafka that stands still: what is not acknowledged in time gets a 503, and is told when it comes again', async () => {
  const { registration, send } = await login()
  kafka.freeze(0)
  const { status } = await send()
  kafka.thaw(0)
  expect(status).toBe(503)
  await eventually(async () => expect((await send()).status).toBe(204))
  await site.topic.waitForOutcome(registration.clientId, registration.sessionId)
})
