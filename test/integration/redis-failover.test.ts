import { randomUUID } from 'node:crypto'
import { Redis } from 'ioredis'
import { afterEach, beforeEach, expect, inject, test } from 'vitest'
import { type RedisServer, startRedisServer } from '../stack/redis-server.ts'
import { eventually } from '../support/eventually.ts'
import { type Ledger, startLedger } from '../support/ledger/ledger.ts'
import { MovingEndpoint } from '../support/moving-endpoint.ts'
import { readMetric } from '../support/relay-metrics.ts'
import { ISSUER, RelaySite } from '../support/relay-site.ts'
import { end } from '../support/relying-party-server.ts'

let first: RedisServer
let second: RedisServer
let atSecond: Redis
let endpoint: MovingEndpoint
let site: RelaySite
let ledger: Ledger

beforeEach(async () => {
  ;[first, second] = await Promise.all([startRedisServer(), startRedisServer()])
  atSecond = new Redis(second.url)
  endpoint = await MovingEndpoint.listen(first.url)
  site = await RelaySite.open({
    kafkaBrokers: inject('kafkaBrokers'),
    redisUrl: first.url,
    env: { REDIS_URL: `redis://127.0.0.1:${endpoint.port}` },
  })
  ledger = await startLedger({ origins: 1, verify: 'all', jwks: site.publicJwks(), issuer: ISSUER })
})
afterEach(async () => {
  endpoint[Symbol.dispose]()
  atSecond.disconnect()
  await site.redis.replicaof('NO', 'ONE').catch(() => undefined)
  await ledger.stop()
  await site.close()
  await Promise.all([first.stop(), second.stop()])
})

/** A replica that has everything up to now. */
async function replicate(): Promise<void> {
  await atSecond.replicaof('127.0.0.1', Number(new URL(first.url).port))
  await eventually(async () => expect(await atSecond.info('replication')).toContain('link_status:up'))
}

function logins(count: number) {
  const [rp] = ledger.relyingParties
  if (rp === undefined) throw new Error('the ledger has no RP')
  return Array.from({ length: count }, () =>
    site.registration('/', { ...rp, sessionId: randomUUID(), userId: randomUUID(), alg: 'ES256' }),
  )
}

const allApplied = () => eventually(async () => expect(await site.topic.lag(site.groupId)).toBe(0))

test('an endpoint that moves to the new primary while the old one stays up as a replica: the relay follows', async () => {
  await site.startRelay()
  const registration = site.registration('/moved')
  await site.registerInRedis(registration)
  await replicate()
  await eventually(async () => expect(await atSecond.exists(site.sessionKey(registration.sessionId))).toBe(1))
  await atSecond.replicaof('NO', 'ONE')
  endpoint.move(second.url, { closing: false })
  await site.redis.replicaof('127.0.0.1', Number(new URL(second.url).port))
  await eventually(async () => expect(await site.redis.info('replication')).toContain('link_status:up'))

  await site.topic.publish(site.terminated(registration))
  await site.topic.waitForOutcome(registration.clientId, registration.sessionId)
  await eventually(async () => expect(await atSecond.exists(site.sessionKey(registration.sessionId))).toBe(0))
})

test.each([1, 2, 3])(
  'a failover to a replica that lags loses no logout, with %i relays and triggers going on',
  async (relays) => {
    const started = []
    for (let i = 0; i < relays; i++) started.push(await site.startRelay())
    const before = logins(50)
    await site.topic.publish(...before.map((it) => site.registered(it)))
    await allApplied()
    await replicate()
    // From here on the replica gets nothing any more.
    await atSecond.replicaof('NO', 'ONE')
    const unknown = logins(1_000)
    await site.topic.publish(...unknown.map((it) => site.registered(it)))
    await allApplied()

    const all = [...before, ...unknown]
    const half = all.length / 2
    await site.topic.publish(...all.slice(0, half).map((it) => site.terminated(it)))
    await ledger.waitFor({ distinctMin: 20 })
    endpoint.move(second.url)
    await site.topic.publish(...all.slice(half).map((it) => site.terminated(it)))
    await ledger.waitFor({ distinctMin: all.length })
    await allApplied()
    const expected = all.map(({ sessionId, clientId }) => ({ sessionId, clientIds: [clientId] }))
    expect(await ledger.expect(expected)).toMatchObject({ missing: 0, unexpected: 0 })
    // Nothing is left that looks as if its session were alive.
    await eventually(async () => expect(await atSecond.keys(`${site.prefix}:session:*`)).toEqual([]))
    for (const relay of started) expect(await readMetric(relay, 'registry_intact')).toBe(1)
  },
)

test('a relay that goes on with the old primary after the others have moved loses nothing of what it took in there', async () => {
  const moved = await site.startRelay()
  // It keeps its connection to the old primary for a while.
  const stays = await MovingEndpoint.listen(first.url)
  await site.startRelay({ REDIS_URL: `redis://127.0.0.1:${stays.port}` })
  await replicate()
  await atSecond.replicaof('NO', 'ONE')
  endpoint.move(second.url)
  await eventually(async () => expect(await readMetric(moved, 'registry_losses_total')).toBe(1))
  await eventually(async () => expect(await readMetric(moved, 'registry_intact')).toBe(1))
  const split = logins(200)
  await site.topic.publish(...split.map((it) => site.registered(it)))
  await allApplied()
  stays.move(second.url)
  await site.topic.publish(...split.map((it) => site.terminated(it)))
  await ledger.waitFor({ distinctMin: split.length })
  await allApplied()
  await eventually(async () => expect(await atSecond.keys(`${site.prefix}:session:*`)).toEqual([]))
  stays[Symbol.dispose]()
})

test('all relays are killed and the address goes back to the old server: what was settled with the new one is not told again', async () => {
  const env = { KAFKA_OUTCOME_TOPIC: `${site.topic.name}.outcomes` }
  const relay = await site.startRelay(env)
  let isDown = true
  const parked = site.registration('/parked', {
    backchannelLogoutUri: site.rps.uri('/parked', (_request, response) =>
      isDown ? end(response, 503, { 'retry-after': '2' }) : end(response, 200),
    ),
  })
  await site.topic.publish(site.registered(parked), site.terminated(parked))
  await eventually(async () => expect(await site.redisKeys('backlog:*')).toHaveLength(1))
  await allApplied()
  await eventually(async () => expect(await site.redis.hlen(`${site.prefix}:positions`)).toBeGreaterThan(0))
  await replicate()
  await atSecond.replicaof('NO', 'ONE')
  const epochs = async () =>
    new Set((await site.topic.commitNotes(site.groupId)).map((it) => JSON.parse(it ?? '{}').epoch))
  const before = await epochs()
  endpoint.move(second.url)
  // No record comes in that would tell by its position.
  await eventually(async () => expect([...(await epochs())].filter((it) => before.has(it))).toEqual([]))
  isDown = false
  await eventually(async () => expect(await atSecond.keys(`${site.prefix}:session:*`)).toEqual([]))
  await relay.kill()
  const told = site.rps.at('/parked').length
  endpoint.move(first.url)
  await site.startRelay(env)
  await eventually(async () => expect(await site.redisKeys('session:*')).toEqual([]))
  await eventually(async () => expect(await site.redisKeys('backlog:*')).toEqual([]))
  expect(site.rps.at('/parked')).toHaveLength(told)
})
