import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { missingForKafka } from '../stack/kafka-distribution.ts'
import { findFreePorts } from '../stack/ports.ts'
import { type RedisServer, startRedisServer } from '../stack/redis-server.ts'
import { createScratchDirectory } from '../stack/scratch-directory.ts'
import { PATIENCE_MS } from '../support/patience.ts'
import { readiness } from '../support/readiness.ts'
import { readMetric } from '../support/relay-metrics.ts'
import { launchRelay, type RelayProcess } from '../support/relay-process.ts'
import { ISSUER, RelaySite } from '../support/relay-site.ts'
import { end } from '../support/relying-party-server.ts'
import { SASL_PASSWORD, SASL_USER, SecuredKafka, TLS_USER } from '../support/secured-kafka.ts'
import { selfSignedCertificate } from '../support/self-signed-certificate.ts'

const REDIS_PASSWORD = 'another-password-of-tests'
const missing = await missingForKafka()
if (missing !== undefined) process.stderr.write(`secured backends are not tested here: install ${missing}\n`)

const scratch = createScratchDirectory('test')
const folder = scratch.path
let kafka: SecuredKafka
let redis: RedisServer
let redisTlsUrl: string
let site: RelaySite

/** Just what docs/configure.md lists. */
const MINIMAL_REDIS_RIGHTS = [
  '-@all',
  '+@read',
  '+@write',
  '+@connection',
  '+@scripting',
  '-@dangerous',
  '+info',
]

beforeAll(async () => {
  if (missing !== undefined) return
  const { key, cert } = selfSignedCertificate('localhost')
  await writeFile(join(folder, 'redis.pem'), cert)
  await writeFile(join(folder, 'redis-key.pem'), key)
  const [tlsPort] = (await findFreePorts(1)) as [number]
  const tls = ['--tls-port', String(tlsPort), '--tls-auth-clients', 'no']
  const files = [
    '--tls-cert-file',
    join(folder, 'redis.pem'),
    '--tls-key-file',
    join(folder, 'redis-key.pem'),
  ]
  ;[kafka, redis] = await Promise.all([
    SecuredKafka.start(folder),
    startRedisServer({ args: [...tls, ...files] }),
  ])
  redisTlsUrl = `rediss://localhost:${tlsPort}`
  site = await RelaySite.open({ kafkaBrokers: kafka.brokers, redisUrl: redis.url })
  await addRedisUser('relay', MINIMAL_REDIS_RIGHTS)
  for (const user of [SASL_USER, TLS_USER]) await grantMinimum(user, site.groupId)
})
afterAll(async () => {
  await site?.close()
  await kafka?.[Symbol.asyncDispose]()
  await redis?.stop()
  await scratch.remove()
})

async function addRedisUser(name: string, rights: readonly string[]): Promise<void> {
  await site.redis.call('ACL', 'SETUSER', name, 'on', `>${REDIS_PASSWORD}`, `~${site.prefix}:*`, ...rights)
}

async function grantMinimum(user: string, groupId: string): Promise<void> {
  await kafka.grant(
    user,
    ['READ', 'topic', site.topic.name],
    ['WRITE', 'topic', site.topic.name],
    ['WRITE', 'topic', site.deadLetterTopic],
    ['CREATE', 'topic', site.deadLetterTopic],
    ['READ', 'group', groupId],
  )
}

const overTls = () => ({
  REDIS_URL: redisTlsUrl,
  REDIS_TLS_CA_FILE: join(folder, 'redis.pem'),
  REDIS_USERNAME: 'relay',
  REDIS_PASSWORD,
})
const withCertificate = () => ({
  KAFKA_BROKERS: kafka.mutualTlsBrokers,
  KAFKA_TLS: 'true',
  KAFKA_TLS_CA_FILE: kafka.files.ca,
  KAFKA_TLS_CERT_FILE: kafka.files.clientCert,
  KAFKA_TLS_KEY_FILE: kafka.files.clientKey,
})
const withLogin = (mechanism: string) => ({
  KAFKA_BROKERS: kafka.saslBrokers,
  KAFKA_TLS: 'true',
  KAFKA_TLS_CA_FILE: kafka.files.ca,
  KAFKA_SASL_MECHANISM: mechanism,
  KAFKA_SASL_USERNAME: SASL_USER,
  KAFKA_SASL_PASSWORD: SASL_PASSWORD,
})

describe.skipIf(missing !== undefined)('with no more than the rights that docs/configure.md lists', () => {
  const logins = [
    ['a client certificate', () => ({ ...withCertificate(), ...overTls() })],
    ['PLAIN', () => ({ ...withLogin('plain'), ...overTls() })],
    ['SCRAM-SHA-256', () => ({ ...withLogin('scram-sha-256'), ...overTls() })],
    ['SCRAM-SHA-512', () => ({ ...withLogin('scram-sha-512'), ...overTls() })],
  ] as const
  test.each(logins)('%s: delivered, retried, and poison put away', async (name, env) => {
    const relay = await site.startRelay(env())
    const path = `/${name.replaceAll(' ', '-')}`
    let isDown = true
    const backchannelLogoutUri = site.rps.uri(path, (_request, response) => {
      end(response, isDown ? 503 : 200)
      isDown = false
    })
    const registration = site.registration(path, { backchannelLogoutUri })
    const poison = { key: null, value: 'no JSON', headers: { ce_type: 'session-terminated' } }
    await site.topic.publish(poison, site.registered(registration), site.terminated(registration))
    const { data } = await site.topic.waitForOutcome(registration.clientId, registration.sessionId)
    expect(data).toMatchObject({ status: 200, attempts: 2 })
    await expect.poll(() => readMetric(relay, 'dead_letters_total')).toBeGreaterThan(0)
    expect(await relay.stop()).toBe(0)
    expect(await site.redisKeys('session:*')).toEqual([])
  })
})

/** What `/readyz` says of a part once it says why it is not ready. */
async function refusal(
  env: Record<string, string>,
  part: 'kafka' | 'redis',
  text: RegExp,
): Promise<RelayProcess> {
  const relay = await launchRelay({
    kafkaBrokers: kafka.brokers,
    redisUrl: redis.url,
    issuer: ISSUER,
    signingKeysFile: site.keysFile,
    env: site.environment(env),
  })
  onTestFinished(() => relay.kill())
  const { port } = await relay.waitForLog(({ msg }) => msg === 'listening')
  const url = `http://127.0.0.1:${port}`
  await expect.poll(async () => (await readiness(url)).body[part]).toMatch(text)
  await expect.poll(() => JSON.stringify(relay.log)).toMatch(text)
  for (const secret of [SASL_PASSWORD, REDIS_PASSWORD, 'wrong-password']) {
    expect(JSON.stringify(relay.log)).not.toContain(secret)
  }
  return relay
}

describe.skipIf(missing !== undefined)('what is refused is named, with its remedy:', () => {
  const wrongKafka: [string, () => Record<string, string>, RegExp][] = [
    [
      'a wrong password with PLAIN',
      () => ({ ...withLogin('plain'), KAFKA_SASL_PASSWORD: 'wrong-password' }),
      /KAFKA_SASL_PASSWORD/,
    ],
    [
      'a wrong password with SCRAM-SHA-512',
      () => ({ ...withLogin('scram-sha-512'), KAFKA_SASL_PASSWORD: 'wrong-password' }),
      /KAFKA_SASL_PASSWORD/,
    ],
    [
      'an authority that is not named',
      () => ({ ...withLogin('plain'), KAFKA_TLS_CA_FILE: kafka.files.clientCert }),
      /certificate is not trusted.*KAFKA_TLS_CA_FILE/,
    ],
    [
      'no client certificate',
      () => ({ ...withCertificate(), KAFKA_TLS_CERT_FILE: '', KAFKA_TLS_KEY_FILE: '' }),
      /client certificate.*KAFKA_TLS_CERT_FILE/,
    ],
    [
      'a client certificate that the broker does not know',
      () => ({
        ...withCertificate(),
        KAFKA_TLS_CERT_FILE: join(folder, 'redis.pem'),
        KAFKA_TLS_KEY_FILE: join(folder, 'redis-key.pem'),
      }),
      /client certificate.*KAFKA_TLS_CERT_FILE/,
    ],
    [
      'a topic without the right to it',
      () => ({ ...withLogin('plain'), KAFKA_TOPICS: 'foreign' }),
      /Describe on topic foreign/,
    ],
  ]
  test.each(wrongKafka)('Kafka, %s', async (_, env, text) => {
    await refusal(env(), 'kafka', text)
  })

  const wrongRedis: [string, () => Record<string, string>, RegExp][] = [
    [
      'a wrong password',
      () => ({ ...overTls(), REDIS_PASSWORD: 'wrong-password' }),
      /WRONGPASS.*REDIS_PASSWORD/,
    ],
    [
      'an authority that is not named',
      () => ({ ...overTls(), REDIS_TLS_CA_FILE: kafka.files.ca }),
      /certificate is not trusted.*REDIS_TLS_CA_FILE/,
    ],
  ]
  test.each(wrongRedis)('Redis, %s', async (_, env, text) => {
    await refusal(env(), 'redis', text)
  })

  test('Redis, a command that the user may not run: named, and repaired without a restart', async () => {
    await addRedisUser('halfway', [...MINIMAL_REDIS_RIGHTS, '-evalsha'])
    const relay = await site.startRelay({ ...overTls(), REDIS_USERNAME: 'halfway' })
    const registration = site.registration('/halfway')
    await site.topic.publish(site.registered(registration), site.terminated(registration))
    await expect.poll(() => JSON.stringify(relay.log)).toMatch(/NOPERM.*evalsha/)
    await site.redis.call('ACL', 'SETUSER', 'halfway', '+evalsha')
    const { data } = await site.topic.waitForOutcome(registration.clientId, registration.sessionId)
    expect(data).toMatchObject({ status: 200 })
  })

  test('Kafka, a group without the right to it: named, and repaired without a restart', async () => {
    const groupId = `${site.groupId}.other`
    const relay = await refusal(
      { ...withLogin('scram-sha-256'), KAFKA_GROUP_ID: groupId },
      'kafka',
      /Read on group/,
    )
    await kafka.grant(SASL_USER, ['READ', 'group', groupId])
    await relay.becomesReady(PATIENCE_MS)
  })
})
