import { randomUUID } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { relayCommand } from '../support/relay-command.ts'
import { readMetric } from '../support/relay-metrics.ts'
import type { RelayProcess } from '../support/relay-process.ts'
import { ISSUER, type RelaySite } from '../support/relay-site.ts'
import { runRelay } from '../support/run-relay.ts'
import { replaceFile } from '../support/signing-key-file.ts'
import { TopicLog } from '../support/topic-log.ts'
import { platformOf, SECRET, webhookPlatforms } from '../support/webhook-platforms.ts'
import { openSite } from './open-site.ts'

const forms = Object.entries(webhookPlatforms)
const nameOf = (form: string) => form.replaceAll(' ', '-').toLowerCase()

let site: RelaySite
let relay: RelayProcess
let url: string
let topics: ReadonlyMap<string, TopicLog>

const topicOf = (form: string) => topics.get(platformOf(form)) as TopicLog
const env = () => ({
  INTAKE_PORT: '0',
  INTAKE_FILE: join(site.folder, 'intake.yaml'),
  MAPPING_FILE: join(site.folder, 'mapping.yaml'),
  KAFKA_TOPICS: [site.topic.name, ...[...topics.values()].map(({ name }) => name)].join(),
  CHECK_INTERVAL_MS: '200',
})
const intakeFile = () =>
  `sources:\n${forms
    .map(
      ([
        form,
        {
          credentials: { key },
        },
      ]) =>
        [
          `  - name: ${nameOf(form)}`,
          `    topic: ${topicOf(form).name}`,
          `    platform: ${platformOf(form)}`,
          `    ${key}: ${nameOf(form)}.credentials\n`,
        ].join('\n'),
    )
    .join('')}`

async function open(to: RelayProcess): Promise<string> {
  const { port } = await to.waitForLog(({ msg }) => msg === 'listening for webhooks')
  return `http://127.0.0.1:${port}/intake`
}

/** As the platform would. */
function send(
  form: string,
  body: string,
  headers = webhookPlatforms[form]?.headers(body),
): Promise<Response> {
  return fetch(`${url}/${nameOf(form)}`, {
    method: 'POST',
    body,
    headers: { 'content-type': 'application/json', ...headers },
  })
}

/** A login of a user, of which an RP is to be told when the webhook of the form says that its session has ended. */
async function login(form: string) {
  const [session, userId] = [randomUUID(), randomUUID()]
  const { sessionOf } = webhookPlatforms[form] ?? {}
  const registration = site.registration(`/${nameOf(form)}`, {
    userId,
    sessionId: sessionOf?.(session, userId) ?? session,
  })
  await site.registerInRedis(registration)
  return { registration, body: webhookPlatforms[form]?.body(session, userId) ?? '' }
}

const requests = (form: string, result: string) =>
  readMetric(relay, 'intake_requests_total', { source: nameOf(form), result })

beforeAll(async () => {
  site = await openSite()
  const platforms = [...new Set(forms.map(([form]) => platformOf(form)))]
  const logs = platforms.map((it) => TopicLog.create(site.kafkaBrokers, `${site.topic.name}.${it}`))
  topics = new Map((await Promise.all(logs)).map((log, i) => [platforms[i] as string, log]))
  const mappings = platforms.map(
    (it) => `  - { topics: ["${topicOf(it).name}"], preset: ${it}, issuer: "${ISSUER}" }\n`,
  )
  await writeFile(join(site.folder, 'mapping.yaml'), `mappings:\n${mappings.join('')}`)
  await writeFile(join(site.folder, 'intake.yaml'), intakeFile())
  for (const [form, { credentials }] of forms)
    await writeFile(join(site.folder, `${nameOf(form)}.credentials`), credentials.text)
  relay = await site.startRelay(env())
  url = await open(relay)
})
afterAll(async () => {
  await Promise.all([...(topics?.values() ?? [])].map((it) => it.close()))
  await site.close()
})

describe.each(forms)('a webhook of %s', (form) => {
  test('is on the topic as it came before it is answered; the RP is told, once, also when it comes again', async () => {
    const { registration, body } = await login(form)
    const answer = await send(form, body)
    expect(answer.status).toBe(204)
    const outcome = await site.topic.waitForOutcome(registration.clientId, registration.sessionId)
    expect(outcome.headers.ce_type).toBe('backchannel-logout-sent')
    const written = topicOf(form).records.filter(({ headers }) => headers['webhook-source'] === nameOf(form))
    expect(written.length).toBeGreaterThan(0)
    for (const { value } of written) expect(body).toContain(String(value))

    expect((await send(form, body)).status).toBe(204)
    await eventually(async () => expect(await topicOf(form).lag(site.groupId)).toBe(0))
    expect(site.rps.at(`/${nameOf(form)}`)).toHaveLength(1)
    expect(await requests(form, 'accepted')).toBe(2)
  })

  test('with a wrong signature, or none, is refused and counted, and nothing is written', async () => {
    const { body } = await login(form)
    const before = await topicOf(form).endOffsets()
    const right = webhookPlatforms[form]?.headers(body) ?? {}
    const wrong = Object.fromEntries(Object.entries(right).map(([name, value]) => [name, `${value}0000`]))
    for (const headers of [{}, wrong]) expect((await send(form, body, headers)).status).toBe(401)
    expect(await requests(form, 'no-signature')).toBe(1)
    expect(await requests(form, 'wrong-signature')).toBe(1)
    expect(await topicOf(form).endOffsets()).toEqual(before)
  })
})

test('`trace` shows the session that a webhook has ended', async () => {
  const { registration, body } = await login('okta')
  await send('okta', body)
  await site.topic.waitForOutcome(registration.clientId, registration.sessionId)
  const { stdout } = await relayCommand(
    ['trace', registration.sessionId, '--json'],
    site.commandEnvironment(env()),
  )
  expect(stdout).toContain('session-terminated')
  expect(stdout).toContain('sent')
})

describe('requests that are no webhooks', () => {
  const ask = (path: string, init?: RequestInit) => fetch(`${url}${path}`, init)

  test('questions before the first webhook are answered as each platform wants', async () => {
    const okta = await ask('/okta', { headers: { 'x-okta-verification-challenge': 'abc-123' } })
    expect([okta.status, await okta.json()]).toEqual([200, { verification: 'abc-123' }])
    const hub = await ask('/wso2?hub.mode=subscribe&hub.topic=t&hub.challenge=xyz&hub.lease_seconds=1')
    expect([hub.status, await hub.text()]).toEqual([200, 'xyz'])
  })

  test.each([
    [
      'the end of a subscription that nobody here asked for',
      'GET',
      '/wso2?hub.mode=unsubscribe&hub.challenge=x',
      405,
    ],
    ['a question in the way of another platform', 'GET', '/ory?hub.mode=subscribe&hub.challenge=x', 405],
    [
      'a question that would be more than one line',
      'GET',
      '/wso2?hub.mode=subscribe&hub.challenge=a%0Ab',
      405,
    ],
    ['a look', 'GET', '/okta', 405],
    ['a look at nothing', 'GET', '/nobody', 405],
    ['HEAD', 'HEAD', '/okta', 405],
    ['OPTIONS', 'OPTIONS', '/okta', 405],
    ['another source', 'POST', '/nobody', 404],
    ['a deeper path', 'POST', '/okta/x', 404],
    ['nothing', 'POST', '', 404],
  ])('%s', async (_, method, path, status) => {
    const answer = await ask(path, { method, ...(method === 'POST' && { body: '{}' }) })
    expect(answer.status).toBe(status)
    expect(answer.headers.get('access-control-allow-origin')).toBeNull()
  })

  test('nothing of the operator port is there', async () => {
    for (const path of ['/', '/metrics', '/readyz', '/jwks.json'])
      expect((await fetch(`${new URL(url).origin}${path}`)).status).toBe(404)
  })

  test('a signed body that is no JSON, is compressed or is too large is refused and counted', async () => {
    const headers = { Authorization: SECRET }
    expect((await send('okta', 'no json', headers)).status).toBe(400)
    expect((await send('okta', '{}', { ...headers, 'content-encoding': 'gzip' })).status).toBe(415)
    expect((await send('okta', `{"a":"${'x'.repeat(5_000_000)}"}`, headers)).status).toBe(413)
    const chunks = new ReadableStream({
      start(controller) {
        for (let i = 0; i < 5; i++) controller.enqueue(new TextEncoder().encode(' '.repeat(1_000_000)))
        controller.close()
      },
    })
    const streamed = { method: 'POST', body: chunks, headers, duplex: 'half' } as RequestInit
    expect((await ask('/okta', streamed)).status).toBe(413)
    expect(await requests('okta', 'too-large')).toBe(2)
    expect(await requests('okta', 'not-json')).toBe(1)
  })
})

test('a mass logout: every webhook that is answered with 204 is on the topic, once', async () => {
  const sessions = Array.from({ length: 1_000 }, () => randomUUID())
  const before = topicOf('zitadel').records.length
  const statuses = new Set<number>()
  const waiting = [...sessions]
  const worker = async () => {
    for (let session = waiting.pop(); session !== undefined; session = waiting.pop()) {
      const { status } = await send('zitadel', webhookPlatforms.zitadel?.body(session, 'nobody') ?? '')
      statuses.add(status)
    }
  }
  await Promise.all(Array.from({ length: 100 }, worker))
  expect([...statuses]).toEqual([204])
  await topicOf('zitadel').caughtUp()
  expect(topicOf('zitadel').records.length - before).toBe(sessions.length)
})

test('a new secret counts as soon as its file has changed; a broken file is refused, and the sources of before stay', async () => {
  const file = join(site.folder, 'okta.credentials')
  const ends = async (secret: string) =>
    (await send('okta', (await login('okta')).body, { Authorization: secret })).status
  await replaceFile(file, `another secret\n${SECRET}\n`)
  await eventually(async () => expect(await ends('another secret')).toBe(204))
  expect(await ends(SECRET)).toBe(204)
  await replaceFile(file, '')
  const finding = { check: 'intake-file', severity: 'warning' }
  await eventually(async () => expect(await readMetric(relay, 'check_findings', finding)).toBe(1))
  expect(await ends('another secret')).toBe(204)
  const { output, status } = await runRelay(site.commandEnvironment(env()))
  expect(status).toBe(2)
  expect(output).toContain(`${env().INTAKE_FILE}:`)
  await replaceFile(file, `${SECRET}\n`)
  await eventually(async () => expect(await readMetric(relay, 'check_findings', finding)).toBe(0))
  await eventually(async () => expect(await ends('another secret')).toBe(401))
})

test('`doctor` says of both files what a relay would not start with', async () => {
  const [intake, mapping] = ['other-intake.yaml', 'other-mapping.yaml'].map((it) =>
    join(site.folder, it),
  ) as [string, string]
  await writeFile(intake, 'sources: [{ name: a, topic: nobody-reads, platform: okta, secretFile: nowhere }]')
  await writeFile(mapping, 'mappings: [{ topics: [t], preset: nobodys }]')
  const { status, rows } = await relayCommand(
    ['doctor', '--json'],
    site.commandEnvironment({ ...env(), INTAKE_FILE: intake, MAPPING_FILE: mapping }),
  )
  expect(status).toBe(2)
  const found = (name: string) => rows.filter(({ check }) => check === name)
  for (const [name, file] of [
    ['intake-file', intake],
    ['mapping-file', mapping],
  ] as const)
    expect(found(name)).toEqual([
      expect.objectContaining({ severity: 'error', text: expect.stringContaining(file) }),
    ])
})

test('no secret is in the log or on the operator port', async () => {
  const pages = await Promise.all(
    ['/', '/metrics', '/readyz'].map(async (it) => (await fetch(`${relay.url}${it}`)).text()),
  )
  for (const text of [...pages, ...relay.log.map((line) => JSON.stringify(line))])
    expect(text).not.toContain(SECRET)
})

test('a relay that is killed before it could answer: the platform sends again, and the RP hears of it', async () => {
  const { registration, body } = await login('zitadel')
  const answer = send('zitadel', body).catch(() => undefined)
  await topicOf('zitadel').waitFor(({ value }) => String(value).includes(registration.sessionId))
  await relay.kill()
  await answer
  relay = await site.startRelay(env())
  url = await open(relay)
  expect((await send('zitadel', body)).status).toBe(204)
  await site.topic.waitForOutcome(registration.clientId, registration.sessionId)
  await eventually(async () => expect(await topicOf('zitadel').lag(site.groupId)).toBe(0))
  const ids = site.topic.outcomes
    .filter(({ data }) => data.sessionId === registration.sessionId)
    .map(({ headers }) => headers.ce_id)
  expect(new Set(ids).size).toBe(1)
})

test('SIGTERM: what was being sent is answered when Kafka has it, and nothing more is taken', async () => {
  const them = await Promise.all(Array.from({ length: 20 }, () => login('ory')))
  const answers = them.map(async ({ body }) => (await send('ory', body).catch(() => undefined))?.status)
  const stopped = relay.stop()
  const statuses = await Promise.all(answers)
  expect(await stopped).toBe(0)
  await expect(send('ory', them[0]?.body ?? '')).rejects.toThrow()
  await topicOf('ory').caughtUp()
  for (const [i, status] of statuses.entries()) {
    if (status !== 204) continue
    const { sessionId } = them[i]?.registration ?? { sessionId: '' }
    expect(topicOf('ory').records.some(({ value }) => String(value).includes(sessionId))).toBe(true)
  }
  relay = await site.startRelay(env())
  url = await open(relay)
})
