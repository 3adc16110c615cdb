import type { Redis } from 'ioredis'
import { afterEach, beforeEach, expect, inject, test } from 'vitest'
import { type RedisServer, startRedisServer } from '../stack/redis-server.ts'
import { eventually } from '../support/eventually.ts'
import { readiness } from '../support/readiness.ts'
import type { RelayProcess } from '../support/relay-process.ts'
import { RelaySite } from '../support/relay-site.ts'
import { end } from '../support/relying-party-server.ts'
import { TopicLog } from '../support/topic-log.ts'

let redis: RedisServer
let site: RelaySite
let relay: RelayProcess
let dead: TopicLog
let outcomes: TopicLog

beforeEach(async () => {
  redis = await startRedisServer()
  site = await RelaySite.open({ kafkaBrokers: inject('kafkaBrokers'), redisUrl: redis.url })
  dead = await TopicLog.create(site.kafkaBrokers, site.deadLetterTopic)
  outcomes = await TopicLog.create(site.kafkaBrokers, `${site.topic.name}.outcomes`)
  relay = await site.startRelay({ KAFKA_OUTCOME_TOPIC: outcomes.name })
})
afterEach(async () => {
  await dead.close()
  await outcomes.close()
  await site.close()
  await redis.stop()
})

const acl = (client: Redis, rule: string) => client.call('ACL', 'SETUSER', 'default', rule)
const taking = (client: { takeBatches(bytes: number): Promise<void> }, bytes: number) =>
  client.takeBatches(bytes)

test.each([
  { step: 'intake', begin: () => acl(site.redis, '-hgetall'), mend: () => acl(site.redis, '+hgetall') },
  { step: 'parking', begin: () => acl(site.redis, '-zadd'), mend: () => acl(site.redis, '+zadd') },
  { step: 'removal', begin: () => acl(site.redis, '-hdel'), mend: () => acl(site.redis, '+hdel') },
  { step: 'outcomes', begin: () => taking(outcomes, 1), mend: () => taking(outcomes, 1_000_000) },
  { step: 'dead-letters', begin: () => taking(dead, 1), mend: () => taking(dead, 1_000_000) },
])('$step that is repeated makes the relay not ready until it succeeds', async ({ step, begin, mend }) => {
  let isDown = true
  const failing = site.registration('/failing', {
    backchannelLogoutUri: site.rps.uri('/failing', (_request, response) => end(response, isDown ? 503 : 200)),
  })
  const well = site.registration('/well')
  await site.registerInRedis(failing, well)
  const poison = { ...site.terminated(well), value: 'not JSON' }
  await begin()
  await site.topic.publish(site.terminated(failing), site.terminated(well), poison)
  await eventually(async () => {
    const { status, body } = await readiness(relay.url)
    expect([status, Object.keys(body)]).toEqual([503, expect.arrayContaining([step])])
    expect(body[step]).toMatch(/\d{4}-\d\d-\d\dT/)
    expect(body[step]).not.toMatch(/maxRetriesPerRequest|enableOfflineQueue/)
  })
  expect((await fetch(`${relay.url}/livez`)).status).toBe(200)
  isDown = false
  await mend()
  await eventually(async () => expect(await readiness(relay.url)).toMatchObject({ status: 200 }))
  for (const { clientId } of [failing, well]) await outcomes.waitForOutcome(clientId)
})
