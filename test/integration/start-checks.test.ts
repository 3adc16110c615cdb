import { mkdir, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { afterEach, describe, expect, inject, test } from 'vitest'
import { startKafkaCluster } from '../stack/kafka-cluster.ts'
import { type RedisServer, startRedisServer } from '../stack/redis-server.ts'
import { eventually } from '../support/eventually.ts'
import { freePort } from '../support/free-port.ts'
import { readiness } from '../support/readiness.ts'
import type { LogLine } from '../support/relay-log.ts'
import { readMetric } from '../support/relay-metrics.ts'
import type { RelayProcess } from '../support/relay-process.ts'
import { RelaySite } from '../support/relay-site.ts'
import { Examined } from '../support/run-doctor.ts'
import { StatusViewer } from '../support/status-viewer.ts'
import { TopicLog, type TopicOptions } from '../support/topic-log.ts'

let ends: (() => Promise<unknown>)[] = []

afterEach(async () => {
  for (const end of ends.reverse()) await end()
  ends = []
})

async function redisServer(args: readonly string[] = []): Promise<RedisServer> {
  const server = await startRedisServer({ args })
  ends.push(() => server.stop())
  return server
}

/** A site on a Redis of its own, whose relays look again ten times a second. */
async function openSite(topic: TopicOptions = {}, kafkaBrokers = inject('kafkaBrokers')): Promise<RelaySite> {
  const { url } = await redisServer()
  const env = { CHECK_INTERVAL_MS: '100' }
  const site = await RelaySite.open({ kafkaBrokers, redisUrl: url, topic, env })
  ends.push(() => site.close())
  return site
}

async function clientOf({ url }: { url: string }): Promise<Redis> {
  const client = new Redis(url)
  ends.push(async () => client.disconnect())
  return client
}

const findingsOf = ({ log }: RelayProcess, check: string): LogLine[] =>
  log.filter((line) => line.msg === 'check' && line.check === check)

/** Starts a relay; what its checks found at the start is in its log then. */
async function consumes(site: RelaySite, env?: Readonly<Record<string, string>>): Promise<RelayProcess> {
  const relay = await site.startRelay(env)
  await relay.waitForLog(({ msg }) => msg === 'consuming')
  return relay
}

/** Starts a relay that is not to become ready; `whileItWaits` sees it, and remedies what it waits for. */
async function startsOnceRemedied(
  site: RelaySite,
  env: Readonly<Record<string, string>>,
  whileItWaits: (url: string) => Promise<void>,
): Promise<RelayProcess> {
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const started = site.startRelay({ ...env, PORT: String(port) })
  await Promise.race([started.then(() => expect.unreachable('it is ready')), whileItWaits(url)])
  return started
}

const isNotReadyFor = (url: string, check: string, reason: RegExp) =>
  eventually(async () => {
    const { status, body } = await readiness(url)
    expect(status).toBe(503)
    expect(body[check]).toMatch(reason)
    expect(await readMetric({ url }, 'ready')).toBe(0)
    expect(await readMetric({ url }, 'check_findings', { check, severity: 'error' })).toBe(1)
  })

async function deliversTo(site: RelaySite, path: string): Promise<void> {
  const registration = site.registration(path)
  await site.registerInRedis(registration)
  await site.topic.publish(site.terminated(registration))
  await site.topic.waitForOutcome(registration.clientId)
  expect(site.rps.at(path)).toHaveLength(1)
}

describe('with a warning or a hint the relay goes on', () => {
  test('an eviction policy, at the start, remedied, and set again while it runs', async () => {
    const site = await openSite()
    await site.redis.config('SET', 'maxmemory-policy', 'allkeys-lru')
    const relay = await consumes(site)
    const count = () => readMetric(relay, 'check_findings', { check: 'redis-eviction' })
    expect(findingsOf(relay, 'redis-eviction')).toEqual([
      expect.objectContaining({
        level: 'warn',
        text: expect.stringContaining('maxmemory-policy allkeys-lru'),
        remedy: 'set maxmemory-policy to noeviction',
      }),
    ])
    expect(await count()).toBe(1)
    expect(await readMetric(relay, 'ready')).toBe(1)
    await deliversTo(site, '/eviction')

    await site.redis.config('SET', 'maxmemory-policy', 'noeviction')
    await relay.waitForLog(({ msg, check }) => msg === 'check: resolved' && check === 'redis-eviction')
    expect(await count()).toBe(0)
    await site.redis.config('SET', 'maxmemory-policy', 'volatile-ttl')
    await relay.waitForLog(({ text }) => String(text).includes('volatile-ttl'))
    // Told when it changes, not at every look.
    expect(findingsOf(relay, 'redis-eviction')).toHaveLength(2)
  })

  test('a Redis that drops keys while the relay runs', async () => {
    const site = await openSite()
    const relay = await consumes(site)
    expect(await readMetric(relay, 'check_findings', { check: 'redis-evicted' })).toBe(0)
    await site.redis.config('SET', 'maxmemory-policy', 'allkeys-random')
    const [, used] = /used_memory:(\d+)/.exec(await site.redis.info('memory')) as RegExpExecArray
    await site.redis.config('SET', 'maxmemory', String(Number(used) + 300_000))
    for (let i = 0; i < 100; i++) await site.redis.set(`filler:${i}`, 'x'.repeat(10_000))
    const { level, remedy } = await relay.waitForLog(({ check }) => check === 'redis-evicted')
    expect(level).toBe('warn')
    expect(remedy).toContain(`delete ${site.prefix}:epoch`)
  })

  test('a Redis without persistence, and other applications in the same database, whose keys are not shown', async () => {
    const site = await openSite()
    await site.redis.set('webshop:9f86d081884c7d65', 'x')
    const relay = await consumes(site)
    expect(findingsOf(relay, 'redis-persistence')).toEqual([
      expect.objectContaining({ level: 'info', remedy: 'set appendonly yes' }),
    ])
    expect(findingsOf(relay, 'redis-shared-database')).toEqual([
      expect.objectContaining({ level: 'info', text: expect.stringContaining('webshop:…') }),
    ])
    expect(JSON.stringify(relay.log)).not.toContain('9f86d081')
    await deliversTo(site, '/hints')
  })

  test("keys under the prefix that are not the relay's, or have a wrong type", async () => {
    const site = await openSite()
    await site.redis.rpush(site.sessionKey('list'), 'x')
    await site.redis.set(`${site.prefix}:cart:7`, 'x')
    const relay = await consumes(site)
    const found = findingsOf(relay, 'redis-keys')
    expect(found.map(({ about, level }) => [about, level])).toEqual([
      ['type session', 'warn'],
      ['unknown', 'warn'],
    ])
    expect(found[0]?.text).toContain(`${site.sessionKey('list')} (a list, not a hash)`)
    expect(found[1]?.text).toContain(`${site.prefix}:cart:7`)
    expect(await readMetric(relay, 'check_findings', { check: 'redis-keys' })).toBe(2)
    await deliversTo(site, '/foreign-keys')
  })

  test('another consumer group on the same Redis and prefix', async () => {
    const site = await openSite()
    const first = await consumes(site)
    expect(findingsOf(first, 'redis-group')).toEqual([])
    const second = await consumes(site, { KAFKA_GROUP_ID: `${site.groupId}.other` })
    const [found, ...more] = findingsOf(second, 'redis-group')
    expect(more).toEqual([])
    expect(found?.level).toBe('warn')
    expect(found?.text).toContain(`"${site.groupId}"`)
    expect(found?.text).toContain(`"${site.groupId}.other"`)
    expect(found?.remedy).toContain(`${site.prefix}:group`)
    expect(await site.redis.get(`${site.prefix}:group`)).toBe(site.groupId)
  })

  test('a user who may run neither INFO nor CONFIG nor SCAN: hints, no more', async () => {
    const site = await openSite()
    await site.redis.call('ACL', 'SETUSER', 'relay', 'on', '>secret', '~*', '+@all', '-@dangerous', '-scan')
    const url = `redis://relay:secret@127.0.0.1:${site.redis.options.port}`
    const relay = await consumes(site, { REDIS_URL: url })
    const hints = relay.log.filter(({ msg, check }) => msg === 'check' && String(check).startsWith('redis'))
    expect(hints.map(({ check, level }) => `${check} ${level}`).sort()).toEqual([
      'redis-eviction info',
      'redis-keys info',
      'redis-persistence info',
    ])
    for (const { text, remedy } of hints) {
      expect(text).toContain('NOPERM')
      expect(remedy).toContain('REDIS_URL')
    }
    await deliversTo(site, '/acl')
  })

  test('a Kafka user who may not read the settings of topics: a hint, no more', async () => {
    const kafka = await startKafkaCluster({
      properties: {
        'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
        'allow.everyone.if.no.acl.found': 'true',
      },
    })
    ends.push(() => kafka.stop())
    const site = await openSite({}, kafka.brokers)
    await site.topic.denySettings()
    const relay = await consumes(site)
    expect(findingsOf(relay, 'topic-retention')).toEqual([
      expect.objectContaining({
        level: 'info',
        about: site.topic.name,
        text: expect.stringMatching(/could not be read: .*authori[sz]/i),
        remedy: expect.stringContaining('DescribeConfigs'),
      }),
    ])
    await deliversTo(site, '/denied')
  })

  test('an input topic with one partition that keeps its records for ten minutes', async () => {
    const site = await openSite({ partitions: 1, config: { 'retention.ms': '600000' } })
    const relay = await consumes(site)
    expect(findingsOf(relay, 'topic-partitions')).toEqual([
      expect.objectContaining({ level: 'warn', about: site.topic.name }),
    ])
    const [retention] = findingsOf(relay, 'topic-retention')
    expect(retention).toMatchObject({ level: 'warn', about: site.topic.name })
    expect(retention?.text).toMatch(/for 10 minutes, less than RETRY_DEADLINE_MS \(1 day\)/)
    expect(retention?.remedy).toMatch(/^set retention\.ms of .+ to at least 2592000000$/)
    await deliversTo(site, '/short-lived')
  })

  test('options that are misspelt: relay and doctor name the right ones, and no value', async () => {
    const site = await openSite()
    const misspelt = {
      EGRES_ALLOW: '10.9.8.0/24',
      KAFKA_TOPIC: 'topic-of-nobody',
      REDIS_URI: 'redis://:geheim@r',
    }
    const others = {
      KAFKA_HOME: '/opt/kafka',
      REDIS_SERVICE_HOST: '10.0.0.1',
      REDIS_PORT: 'tcp://10.0.0.1:6379',
    }
    const env = { ...misspelt, ...others }
    const relay = await consumes(site, env)
    const found = findingsOf(relay, 'option-misspelt')
    const named = found.map(({ about, level, remedy }) => `${level}: ${about}, ${remedy}`).sort()
    expect(named).toEqual([
      expect.stringMatching(/^warn: EGRES_ALLOW, set EGRESS_ALLOW instead/),
      expect.stringMatching(/^warn: KAFKA_TOPIC, set KAFKA_TOPICS instead/),
      expect.stringMatching(/^warn: REDIS_URI, set REDIS_URL instead/),
    ])
    expect(await readMetric(relay, 'check_findings', { check: 'option-misspelt' })).toBe(3)
    const examined = await Examined.by(site.commandEnvironment(env))
    expect(examined.of('option-misspelt').sort()).toEqual(found.map(({ text }) => `warning: ${text}`).sort())
    for (const output of [JSON.stringify(relay.log), examined.output])
      for (const value of ['10.9.8.0', 'topic-of-nobody', 'geheim']) expect(output).not.toContain(value)
  })

  test('an input topic that is compacted', async () => {
    const site = await openSite({ config: { 'cleanup.policy': 'compact' } })
    const relay = await consumes(site)
    expect(findingsOf(relay, 'topic-compaction')).toEqual([
      expect.objectContaining({
        level: 'warn',
        remedy: `set cleanup.policy of ${site.topic.name} to delete`,
      }),
    ])
    expect(findingsOf(relay, 'topic-retention')).toEqual([])
    await deliversTo(site, '/compacted')
  })
})

describe('where going on would lose something it is not ready until that is remedied', () => {
  test('a read-only replica: what is published meanwhile is neither taken up nor committed', async () => {
    const site = await openSite()
    const replica = await redisServer()
    const atReplica = await clientOf(replica)
    // A first run, so that the group has a place on the topic and the primary an epoch.
    expect(await (await consumes(site)).stop()).toBe(0)
    const registration = site.registration('/replica')
    await site.registerInRedis(registration)
    const { port } = site.redis.options as { port: number }
    await atReplica.replicaof('127.0.0.1', port)
    await eventually(async () => expect(await atReplica.exists(`${site.prefix}:epoch`)).toBe(1))

    const relay = await startsOnceRemedied(site, { REDIS_URL: replica.url }, async (url) => {
      await isNotReadyFor(
        url,
        'redis-writable',
        new RegExp(`replica of 127.0.0.1:${port}.*; set REDIS_URL to`),
      )
      await site.topic.publish(site.terminated(registration))
      expect((await fetch(`${url}/livez`)).status).toBe(200)
      expect(await site.topic.lag(site.groupId)).toBe(1)
      expect(site.rps.at('/replica')).toEqual([])
      await atReplica.replicaof('NO', 'ONE')
    })
    const [found] = findingsOf(relay, 'redis-writable')
    expect(found).toMatchObject({
      level: 'error',
      about: 'READONLY',
      remedy: expect.stringContaining('promote'),
    })
    await site.topic.waitForOutcome(registration.clientId)
    expect(site.rps.at('/replica')).toHaveLength(1)
  })

  test('a Redis that cannot save to its disk and refuses writes', async () => {
    const site = await openSite()
    const [, folder] = (await site.redis.config('GET', 'dir')) as [string, string]
    const inTheWay = join(folder, 'dump.rdb')
    await mkdir(inTheWay)
    await site.redis.config('SET', 'save', '3600 1')
    const snapshot = (status: string) =>
      eventually(async () => {
        await site.redis.bgsave().catch(() => undefined)
        expect(await site.redis.info('persistence')).toContain(`rdb_last_bgsave_status:${status}`)
      })
    await snapshot('err')
    await startsOnceRemedied(site, {}, async (url) => {
      await isNotReadyFor(url, 'redis-writable', /cannot save its data to disk.*free disk space/)
      await rmdir(inTheWay)
      await snapshot('ok')
    })
    await deliversTo(site, '/misconf')
  })

  test("a string where the relay's index of backlogs belongs", async () => {
    const site = await openSite()
    const key = `${site.prefix}:backlogs`
    await site.redis.set(key, 'x')
    await startsOnceRemedied(site, {}, async (url) => {
      await isNotReadyFor(url, 'redis-keys', /holds a string instead of a zset/)
      // It is left as it is: it may be dear to somebody.
      expect(await site.redis.get(key)).toBe('x')
      await site.redis.del(key)
    })
    await deliversTo(site, '/backlogs')
  })

  test('an input topic that does not exist: readiness, page and log say by which command to create it', async () => {
    const site = await openSite()
    const name = `${site.topic.name}.later`
    let topic: TopicLog | undefined
    ends.push(async () => topic?.close())
    const env = { KAFKA_TOPICS: name, KAFKA_GROUP_ID: `${name}.group` }
    const command = `kafka-topics.sh --bootstrap-server ${site.kafkaBrokers} --create --topic ${name} --partitions`
    const relay = await startsOnceRemedied(site, env, async (url) => {
      await isNotReadyFor(url, 'topic-missing', new RegExp(`topic ${name} does not exist.*${command}`))
      const viewer = await StatusViewer.open({ url })
      await viewer.waitFor(({ findings }) => findings.some(({ remedy }) => remedy?.includes(command)))
      await viewer.waitFor(({ headline }) => headline.title.includes(`topic ${name} does not exist`))
      viewer.close()
      topic = await TopicLog.create(site.kafkaBrokers, name)
    })
    const { error } = await relay.waitForLog(({ code }) => code === 'LR_TOPIC_MISSING')
    expect(error).toContain(command)
    const found = findingsOf(relay, 'topic-missing')
    expect(found.map(({ level, about }) => [level, about])).toEqual([['error', name]])
  })

  test('a dead-letter topic that is deleted while it runs', async () => {
    const site = await openSite()
    const relay = await consumes(site)
    await site.topic.deleteTopic(site.deadLetterTopic)
    await isNotReadyFor(
      relay.url,
      'topic-missing',
      new RegExp(`dead-letter topic ${site.deadLetterTopic} does not`),
    )
    const restored = await TopicLog.create(site.kafkaBrokers, site.deadLetterTopic)
    ends.push(() => restored.close())
    await eventually(async () => expect((await readiness(relay.url)).status).toBe(200))
    await deliversTo(site, '/restored')
  })
})
