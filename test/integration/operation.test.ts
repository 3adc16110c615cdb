import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { freePort } from '../support/free-port.ts'
import { inputRecord } from '../support/input-record.ts'
import { LateServer } from '../support/late-server.ts'
import { readiness } from '../support/readiness.ts'
import { readMetric } from '../support/relay-metrics.ts'
import type { RelayProcess } from '../support/relay-process.ts'
import { ISSUER, type RelaySite } from '../support/relay-site.ts'
import { end } from '../support/relying-party-server.ts'
import { runRelay } from '../support/run-relay.ts'
import { TopicLog } from '../support/topic-log.ts'
import { openSite } from './open-site.ts'

let site: RelaySite

beforeAll(async () => {
  site = await openSite()
})
afterAll(() => site.close())

async function deliversTo(path: string): Promise<void> {
  const registration = site.registration(path)
  await site.registerInRedis(registration)
  await site.topic.publish(site.terminated(registration))
  await site.topic.waitForOutcome(registration.clientId)
}

test('Redis and Kafka that come after the relay: alive, not ready, then ready; and not ready while Redis is away', async () => {
  const redis = new LateServer(await freePort(), inject('redisUrl'))
  const kafka = new LateServer(await freePort(), site.kafkaBrokers.split(',')[0] as string)
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  try {
    const started = site.startRelay({
      PORT: String(port),
      REDIS_URL: `redis://127.0.0.1:${redis.port}`,
      KAFKA_BROKERS: `127.0.0.1:${kafka.port}`,
    })
    await eventually(async () => expect((await fetch(`${url}/livez`)).status).toBe(200))
    expect(await readiness(url)).toMatchObject({
      status: 503,
      body: { redis: 'not connected', kafka: expect.any(String), registry: expect.any(String) },
    })
    await eventually(async () =>
      expect(await readMetric({ url }, 'faults_total', { part: 'redis' })).toBeGreaterThan(3),
    )
    await redis.open()
    await eventually(async () => {
      expect((await readiness(url)).body).toEqual({
        status: 'not ready',
        kafka: expect.any(String),
        registry: expect.any(String),
      })
      expect(await readMetric({ url }, 'faults_total', { part: 'kafka-topics' })).toBeGreaterThan(0)
    })
    expect((await fetch(`${url}/livez`)).status).toBe(200)
    expect(await readMetric({ url }, 'ready')).toBe(0)
    await kafka.open()
    const relay = await started
    expect(await readMetric(relay, 'ready')).toBe(1)
    // Of a row of faults the first is told.
    const toldOfRedis = relay.log.filter(({ msg, part }) => msg === 'fault' && part === 'redis')
    expect(toldOfRedis).toHaveLength(1)
    await deliversTo('/late-start')

    await redis.close()
    await eventually(async () =>
      expect((await readiness(url)).body).toMatchObject({ redis: 'not connected' }),
    )
    expect((await fetch(`${url}/livez`)).status).toBe(200)
    const away = site.registration('/redis-away')
    await site.registerInRedis(away)
    await site.topic.publish(site.terminated(away))
    await eventually(async () => {
      expect(await readMetric(relay, 'faults_total', { part: 'redis' })).toBeGreaterThan(0)
    })
    expect(await site.topic.lag(site.groupId)).toBeGreaterThan(0)
    await redis.open()
    await site.topic.waitForOutcome(away.clientId)
    expect(site.rps.at('/redis-away')).toHaveLength(1)
    expect(await relay.stop()).toBe(0)
  } finally {
    await redis.close()
    await kafka.close()
  }
})

test('SIGTERM while it still waits for Redis ends it in order', async () => {
  const port = await freePort()
  const isWaiting = eventually(async () =>
    expect((await readiness(`http://127.0.0.1:${port}`)).status).toBe(503),
  )
  const env = {
    KAFKA_BROKERS: site.kafkaBrokers,
    REDIS_URL: `redis://127.0.0.1:${await freePort()}`,
    ISSUER,
    SIGNING_KEYS_FILE: site.keysFile,
    PORT: String(port),
  }
  const { status, output } = await runRelay(env, isWaiting)
  await isWaiting
  expect(status, output).toBe(0)
})

test('a topic that does not exist yet is waited for', async () => {
  const name = `${site.topic.name}.later`
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const started = site.startRelay({ PORT: String(port), KAFKA_TOPICS: name, KAFKA_GROUP_ID: `${name}.group` })
  await eventually(async () => {
    expect(await readMetric({ url }, 'faults_total', { part: 'kafka-topics' })).toBeGreaterThan(0)
  })
  const topic = await TopicLog.create(site.kafkaBrokers, name)
  try {
    const relay = await started
    const registration = site.registration('/later-topic')
    await topic.publish(site.registered(registration), site.terminated(registration))
    await topic.waitForOutcome(registration.clientId)
    await relay.stop()
  } finally {
    await topic.remove(`${name}.group`)
  }
})

test('nothing secret is logged at debug level: no token, no key, no URI query', async () => {
  const relay: RelayProcess = await site.startRelay({
    LOG_LEVEL: 'debug',
    RETRY_DOUBTFUL_DELAYS_MS: '0',
    RETRY_MAX_ATTEMPTS: '2',
  })
  const query = '?secret=Qu3rySecret'
  const uris = [
    site.rps.uri('/log/fine') + query,
    site.rps.uri('/log/echo', ({ body }, response) => response.writeHead(403).end(body)) + query,
    site.rps.uri('/log/down', 503) + query,
    site.rps.uri('/log/redirect', (_request, response) => end(response, 302, { location: `/x${query}` })) +
      query,
    `http://127.0.0.1:${await freePort()}/refused${query}`,
    `http://10.1.2.3/blocked${query}`,
    `http://no-such-host.invalid/${query}`,
  ]
  const registrations = uris.map((backchannelLogoutUri, i) =>
    site.registration('/', { clientId: `log-${i}`, backchannelLogoutUri }),
  )
  await site.registerInRedis(...registrations)
  await site.topic.publish(
    ...registrations.map((it) => site.terminated(it)),
    inputRecord('backchannel-logout-registered', { ...registrations[0], alg: 'none' }),
    inputRecord('session-terminated', { issuer: `${ISSUER}/other`, sessionId: 's' }),
  )
  for (const { clientId } of registrations) await site.topic.waitForOutcome(clientId)
  await relay.stop()
  const log = relay.log.map((line) => JSON.stringify(line)).join('\n')
  expect(relay.log.some(({ level }) => level === 'debug')).toBe(true)
  expect(log).not.toContain('Qu3rySecret')
  expect(log).not.toContain('eyJ')
  for (const secret of site.privateKeyParts()) expect(log).not.toContain(secret)
  // The outcomes are read by others, too.
  for (const { value } of site.topic.outcomes) expect(String(value)).not.toContain('eyJ')
})

test.runIf(process.platform === 'linux')(
  'it runs with one memory arena, under the id it was started with',
  async () => {
    const relay = await site.startRelay({ MALLOC_ARENA_MAX: '' })
    const environment = await readFile(`/proc/${relay.pid}/environ`, 'latin1')
    expect(environment.split('\0')).toContain('MALLOC_ARENA_MAX=1')
    await relay.stop()
  },
)

test('other paths and methods', async () => {
  const relay = await site.startRelay()
  expect((await fetch(`${relay.url}/elsewhere`)).status).toBe(404)
  expect((await fetch(`${relay.url}/livez`, { method: 'POST' })).status).toBe(405)
  expect((await fetch(`${relay.url}/livez`, { method: 'HEAD' })).status).toBe(200)
  const metrics = await (await fetch(`${relay.url}/metrics`)).text()
  for (const name of [
    'triggers_total',
    'deliveries_total',
    'attempt_duration_seconds',
    'consumer_lag_records',
  ]) {
    expect(metrics).toContain(`# TYPE logout_relay_${name}`)
  }
})
