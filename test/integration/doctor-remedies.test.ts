import { once } from 'node:events'
import { chmod, writeFile } from 'node:fs/promises'
import { createServer as createHttpServer } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { expect, inject, test } from 'vitest'
import type { ExaminedFinding } from '../../src/diagnosis/examination.ts'
import { createKafkaClient } from '../../src/kafka/kafka-client.ts'
import { startRedisServer } from '../stack/redis-server.ts'
import { eventually } from '../support/eventually.ts'
import { freePort } from '../support/free-port.ts'
import { LateServer } from '../support/late-server.ts'
import { ISSUER, type RelaySite } from '../support/relay-site.ts'
import { end } from '../support/relying-party-server.ts'
import { Examined } from '../support/run-doctor.ts'
import { selfSignedCertificate } from '../support/self-signed-certificate.ts'
import { privateJwk } from '../support/signing-key-file.ts'
import { openSite } from './open-site.ts'

/*
 * What an operator does who reads a finding: carry out its remedy to the letter, and look again. Where a remedy names a
 * setting and its value, these are taken from its text and not from here.
 */

type Doubtful = Exclude<ExaminedFinding['severity'], 'ok' | 'unknown'>

/** The checks of `found` with what their findings say to do; each must be as bad as expected. */
function remediesOf(found: Examined, expected: Readonly<Record<string, Doubtful>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(expected).map(([check, severity]) => {
      const all = found.all.filter((it) => it.check === check)
      const finding = all.find((it) => it.severity === severity)
      expect(finding, `${check} as ${severity} among ${JSON.stringify(all)}`).toBeDefined()
      return [check, finding?.remedy ?? '']
    }),
  )
}

function expectRemedied(found: Examined, checks: Iterable<string>): void {
  for (const check of checks) {
    const all = found.all.filter((it) => it.check === check)
    expect(all, check).not.toEqual([])
    expect(all.filter(({ severity }) => severity !== 'ok')).toEqual([])
  }
}

/** `set NAME of TOPIC to VALUE`, as findings say it. */
function settingIn(remedy: string | undefined): { name: string; topic: string; value: string } {
  const [, name = '', topic = '', value = ''] =
    /^set (\S+) of (\S+) to (?:at least )?(\S+)$/.exec(remedy ?? '') ?? []
  expect(name, remedy).not.toBe('')
  return { name, topic, value }
}

const surroundings = (site: RelaySite, more: Readonly<Record<string, string>> = {}) =>
  site.commandEnvironment({ SESSION_LIFETIME_MS: '3600000', ...more })

test('Kafka: topics and the group', async () => {
  const site = await openSite({
    topic: { partitions: 1, config: { 'retention.ms': '60000', 'cleanup.policy': 'compact,delete' } },
  })
  const admin = createKafkaClient(site.kafkaBrokers.split(','), 'test', () => undefined).admin()
  await admin.connect()
  const dead = `127.0.0.1:${await freePort()}`
  try {
    await admin.createTopics({
      waitForLeaders: false,
      topics: [
        {
          topic: site.deadLetterTopic,
          configEntries: [{ name: 'max.message.bytes', value: '500000' }],
        },
      ],
    })
    // A relay that was there, and what came in since.
    await (await site.startRelay(surroundings(site))).stop()
    const old = { timestamp: String(Date.now() - 30_000) }
    await site.topic.publish({ ...site.terminated({ sessionId: 'nobody' }), ...old })
    const outcomeTopic = `${site.topic.name}.outcomes`
    const found = await Examined.by(
      surroundings(site, {
        KAFKA_BROKERS: `${dead},${site.kafkaBrokers}`,
        KAFKA_OUTCOME_TOPIC: outcomeTopic,
        LATE_AFTER_MS: '1000',
      }),
    )
    const remedies = remediesOf(found, {
      'kafka-bootstrap': 'warning',
      'topic-missing': 'error',
      'topic-partitions': 'warning',
      'topic-retention': 'warning',
      'topic-compaction': 'warning',
      'topic-message-size': 'error',
      'group-state': 'error',
      'group-lag': 'error',
    })
    for (const check of ['topic-retention', 'topic-compaction', 'topic-message-size']) {
      const { name, topic, value } = settingIn(remedies[check])
      await admin.alterConfigs({
        validateOnly: false,
        resources: [{ type: 2, name: topic, configEntries: [{ name, value }] }],
      })
    }
    await site.topic.addPartitions(3)
    // "Start a relay": it creates the topic of the outcomes, joins the group, and reads what waits.
    const env = surroundings(site, { KAFKA_OUTCOME_TOPIC: outcomeTopic, LATE_AFTER_MS: '1000' })
    await site.startRelay(env)
    await eventually(async () => expect(await site.topic.lag(site.groupId)).toBe(0))
    expectRemedied(await Examined.by(env), Object.keys(remedies))

    // A group of its own for who is no relay; then it is the relays' alone again.
    const stranger = createKafkaClient(site.kafkaBrokers.split(','), 'import-job', () => undefined)
    const consumer = stranger.consumer({ groupId: site.groupId })
    await consumer.connect()
    await consumer.subscribe({ topic: site.topic.name })
    const joined = new Promise((resolve) => consumer.on(consumer.events.GROUP_JOIN, resolve))
    await consumer.run({ autoCommit: false, eachMessage: async () => undefined })
    await joined
    const shared = await eventually(async () => {
      const shared = await Examined.by(env)
      remediesOf(shared, { 'group-members': 'error' })
      return shared
    })
    expect(remediesOf(shared, { 'group-members': 'error' })['group-members']).toMatch(/another group/)
    await consumer.disconnect()
    await eventually(async () => expectRemedied(await Examined.by(env), ['group-members', 'group-state']))
  } finally {
    await admin.disconnect()
    await site.close()
  }
})

test('Redis', async () => {
  // Of the keys here only those of the shop may be dropped: with `allkeys-lru` it might be the one that is renamed below.
  await using redis = await startRedisServer({ args: ['--maxmemory-policy', 'volatile-lru'] })
  const site = await openSite()
  const client = new Redis(redis.url)
  const env = surroundings(site, { REDIS_URL: redis.url })
  try {
    const [, used = ''] = /used_memory:(\d+)/.exec(await client.info('memory')) ?? []
    const maxMemory = Number(used) + 1_000_000
    await client.config('SET', 'maxmemory', String(maxMemory))
    for (let i = 0; i < 40; i++) await client.set(`shop:cart:${i}`, 'x'.repeat(50_000), 'EX', 3_600)
    await client.rpush(`${site.prefix}:backlogs`, 'x')
    await client.set(`${site.prefix}:visits`, '1')
    await client.set(`${site.prefix}:group`, 'the-group-before')
    const found = await Examined.by(env)
    const remedies = remediesOf(found, {
      'redis-memory': 'warning',
      'redis-eviction': 'warning',
      'redis-evicted': 'warning',
      'redis-persistence': 'hint',
      'redis-epoch': 'warning',
      'redis-group': 'warning',
      'redis-keys': 'error',
      'redis-shared-database': 'hint',
    })
    expect(remedies['redis-eviction']).toBe('set maxmemory-policy to noeviction')
    await client.config('SET', 'maxmemory-policy', 'noeviction')
    expect(remedies['redis-memory']).toContain('raise maxmemory')
    await client.config('SET', 'maxmemory', String(10 * maxMemory))
    expect(remedies['redis-evicted']).toContain(`then delete ${site.prefix}:epoch`)
    await client.del(`${site.prefix}:epoch`)
    expect(remedies['redis-evicted']).toContain('CONFIG RESETSTAT ends this warning')
    await client.config('RESETSTAT')
    expect(remedies['redis-persistence']).toBe('set appendonly yes')
    await client.config('SET', 'appendonly', 'yes')
    expect(remedies['redis-group']).toContain(`delete the key ${site.prefix}:group`)
    await client.del(`${site.prefix}:group`)
    await client.del(`${site.prefix}:backlogs`)
    await client.rename(`${site.prefix}:visits`, 'shop:visits')
    for (const key of await client.keys('shop:*')) await client.del(key)
    expect(remedies['redis-epoch']).toMatch(/^start a relay/)
    const relay = await site.startRelay(env)
    expectRemedied(await Examined.by(env), [...Object.keys(remedies), 'redis-writable'])
    await relay.stop()

    await client.call('REPLICAOF', '127.0.0.1', '1')
    const replica = remediesOf(await Examined.by(env), { 'redis-writable': 'error' })
    expect(replica['redis-writable']).toContain('promote this server')
    await client.call('REPLICAOF', 'NO', 'ONE')
    expectRemedied(await Examined.by(env), ['redis-writable'])
  } finally {
    client.disconnect()
    await site.close()
  }
})

test('a Redis that is far away, and then near', async () => {
  const site = await openSite()
  const way = new LateServer(await freePort(), inject('redisUrl'))
  way.delayMs = 20
  await way.open()
  const env = surroundings(site, { REDIS_URL: `redis://127.0.0.1:${way.port}` })
  try {
    const remedies = remediesOf(await Examined.by(env), { 'redis-latency': 'warning' })
    expect(remedies['redis-latency']).toContain('SLOWLOG')
    // Without the way through this process, which is not near either on a machine that is busy just now.
    const near = surroundings(site)
    await eventually(async () => expectRemedied(await Examined.by(near), ['redis-latency']))
  } finally {
    await way.close()
    await site.close()
  }
})

test('keys and issuer', async () => {
  const site = await openSite()
  const documents = new Map<string, unknown>()
  let aheadMs = 120_000
  const server = createHttpServer((request, response) => {
    response.setHeader('date', new Date(Date.now() + aheadMs).toUTCString())
    const document = documents.get(request.url ?? '')
    if (document === undefined) end(response, 404)
    else response.end(JSON.stringify(document))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const env = surroundings(site, { ISSUER: `${issuer}/` })
  try {
    const next = Math.floor(Date.now() / 1_000) + 3_600
    await site.writeKeys(privateJwk('rsa', 'next', { notBefore: next }))
    await chmod(site.keysFile, 0o644)
    documents.set('/.well-known/openid-configuration', { issuer, jwks_uri: `${issuer}/keys` })
    documents.set('/keys', { keys: [privateJwk('ec', 'shown')] })
    const remedies = remediesOf(await Examined.by(env), {
      'keys-permissions': 'warning',
      'keys-signing': 'error',
      'issuer-known': 'error',
      'issuer-logout-support': 'warning',
      'issuer-clock': 'error',
      'issuer-jwks': 'error',
    })
    expect(remedies['keys-signing']).toContain('add a key that signs now')
    await site.writeKeys(privateJwk('rsa', 'next', { notBefore: next }), privateJwk('rsa', 'now'))
    expect(remedies['keys-permissions']).toMatch(/chmod 600/)
    await chmod(site.keysFile, 0o600)
    expect(remedies['issuer-known']).toContain(issuer)
    const remedied = { ...env, ISSUER: issuer }
    const [, ...supported] =
      /^set (backchannel\w+) and (backchannel\w+) in/.exec(remedies['issuer-logout-support'] ?? '') ?? []
    expect(supported).toHaveLength(2)
    documents.set('/.well-known/openid-configuration', {
      issuer,
      jwks_uri: `${issuer}/keys`,
      ...Object.fromEntries(supported.map((name) => [name, true])),
    })
    aheadMs = 0
    documents.set('/keys', { keys: [] })
    const unpublished = remediesOf(await Examined.by(remedied), { 'key-published': 'error' })
    expect(unpublished['key-published']).toMatch(/^publish /)
    documents.set('/keys', site.publicJwks())
    expectRemedied(await Examined.by(remedied), [...Object.keys(remedies), 'key-published'])

    await writeFile(site.keysFile, 'no key')
    const unreadable = remediesOf(await Examined.by(remedied), { 'keys-file': 'error' })
    expect(unreadable['keys-file']).toMatch(/^set SIGNING_KEYS_FILE to /)
    await site.writeKeys(privateJwk('rsa', 'now'))
    expectRemedied(await Examined.by(remedied), ['keys-file', 'keys-signing'])
  } finally {
    server.close()
    server.closeAllConnections()
    await site.close()
  }
})

test('an RP, from a URI that cannot be used to one that answers as it should', async () => {
  const site = await openSite()
  const expired = selfSignedCertificate('localhost', { until: '210101' })
  const valid = selfSignedCertificate('localhost')
  const authorities = join(site.folder, 'authorities.pem')
  await writeFile(authorities, expired.cert + valid.cert)
  const settings = `${site.prefix}:client:{${ISSUER}|shop}`
  let status = 200
  const server = createServer({ ...expired }, (_request, response) => end(response, status))
  const port = await freePort()
  const env: Record<string, string> = surroundings(site)
  delete env.EGRESS_ALLOW
  let uri = `https://localhost.invalid:${port}/logout#top`

  /** One finding after the other: each hides those behind it. */
  async function remedyOf(check: string, as: Doubtful = 'error'): Promise<string> {
    const found = await Examined.by(env, '--rp', uri, '--client', 'shop')
    return remediesOf(found, { [check]: as })[check] as string
  }
  try {
    expect(await remedyOf('rp-uri')).toMatch(/./)
    uri = uri.replace('#top', '')
    expect(await remedyOf('rp-resolves')).toMatch(/name/)
    uri = uri.replace('.invalid', '')
    const [, allow = ''] = /add (?:\S+ or )?(\S+) to EGRESS_ALLOW/.exec(await remedyOf('rp-egress')) ?? []
    env.EGRESS_ALLOW = allow
    expect(await remedyOf('rp-connects')).toMatch(/^check that the server runs/)
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
    expect(await remedyOf('rp-tls')).toMatch(/renew/)
    expect(await remedyOf('rp-certificate')).toMatch(/renew/)
    server.setSecureContext(valid)
    expect(await remedyOf('rp-tls')).toContain('NODE_EXTRA_CA_CERTS')
    env.NODE_EXTRA_CA_CERTS = authorities
    await site.redis.hset(settings, 'alg', 'HS256')
    expect(await remedyOf('rp-settings')).toMatch(/remove these fields/)
    await site.redis.hdel(settings, 'alg')
    expect(await remedyOf('rp-answer', 'warning')).toMatch(/./)
    status = 400
    const found = await Examined.by(env, '--rp', uri, '--client', 'shop')
    const checks = found.all.map(({ check }) => check).filter((it) => it.startsWith('rp-'))
    expect(new Set(checks)).toContain('rp-answer')
    expectRemedied(found, checks)
  } finally {
    server.close()
    server.closeAllConnections()
    await site.close()
  }
})
