import { Redis } from 'ioredis'
import { expect, inject, test } from 'vitest'
import { startRedisServer } from '../stack/redis-server.ts'
import { eventually } from '../support/eventually.ts'
import { freePort } from '../support/free-port.ts'
import { LateServer } from '../support/late-server.ts'
import { launchRelay } from '../support/relay-process.ts'
import { ISSUER } from '../support/relay-site.ts'
import { Drill } from './drill.ts'

test('LogoutRelayNoReplica: a setting that ends the relay at its start', async () => {
  await using drill = await Drill.open('LogoutRelayNoReplica')
  const { site } = drill
  const relay = await drill.startRelay()
  const registration = site.registration('/waits')
  await site.topic.publish(site.registered(registration))
  await relay.kill()
  await drill.fires()
  await site.topic.publish(site.terminated(registration))

  const surroundings = { kafkaBrokers: site.kafkaBrokers, redisUrl: inject('redisUrl'), issuer: ISSUER }
  const env = { ...site.environment(), RETRY_DEADLINE_MS: 'a day', MAX_IN_FLIGHT: '-1' }
  const wrong = await launchRelay({ ...surroundings, signingKeysFile: site.keysFile, env })
  expect(await wrong.exitStatus()).toBe(2)
  const said = JSON.stringify(wrong.log)
  expect(said).toContain('RETRY_DEADLINE_MS')
  expect(said).toContain('MAX_IN_FLIGHT')

  await drill.startRelay()
  await site.topic.waitForOutcome(registration.clientId)
  expect(site.rps.at('/waits')).toHaveLength(1)
  await drill.resolves()
})

test('LogoutRelayNotReady: one replica of two cannot reach Redis', async () => {
  await using drill = await Drill.open('LogoutRelayNotReady', { replicas: 2 })
  const { site } = drill
  const redis = new LateServer(await freePort(), inject('redisUrl'))
  await redis.open()
  try {
    await drill.startRelay()
    const cutOff = await drill.startRelay({ REDIS_URL: `redis://127.0.0.1:${redis.port}` }, 1)
    await redis.close()
    const { labels } = await drill.fires()
    expect(drill.url(1)).toContain(labels.instance)
    expect(await drill.readyz(1)).toMatchObject({ redis: 'not connected' })
    expect((await drill.readyz(0)).redis).toBeUndefined()

    // It still has its partitions; ended, it gives them to the other one.
    const registration = site.registration('/other-replica')
    await site.registerInRedis(registration)
    await site.topic.publish(site.terminated(registration))
    await cutOff.stop()
    await site.topic.waitForOutcome(registration.clientId)
    expect(site.rps.at('/other-replica')).toHaveLength(1)
    await redis.open()
    await drill.startRelay({ REDIS_URL: `redis://127.0.0.1:${redis.port}` }, 1)
    await drill.resolves()
  } finally {
    await redis.close()
  }
})

test('LogoutRelayRegistryRebuilding: Redis was emptied and has no memory left', async () => {
  const server = await startRedisServer()
  const redis = new Redis(server.url)
  try {
    await using drill = await Drill.open('LogoutRelayRegistryRebuilding', { redisUrl: server.url })
    const { site } = drill
    const registration = site.registration('/emptied')
    await site.topic.publish(site.registered(registration))
    const relay = await drill.startRelay()
    await eventually(async () => expect(await redis.exists(site.sessionKey(registration.sessionId))).toBe(1))

    await redis.config('SET', 'maxmemory', '1')
    await redis.flushall()
    await drill.fires()
    expect((await drill.readyz()).registry).toBeDefined()
    await drill.metric('logout_relay_rebuild_records')
    await drill.metric('logout_relay_rebuild_records_expected')
    const line = await drill.loggedBy(relay, '"part":"rebuild"')
    expect(String(line.error)).toMatch(/memory/)
    await redis.config('SET', 'maxmemory', '0')

    await drill.resolves()
    await site.topic.publish(site.terminated(registration))
    await site.topic.waitForOutcome(registration.clientId)
    expect(site.rps.at('/emptied')).toHaveLength(1)
  } finally {
    redis.disconnect()
    await server.stop()
  }
})

test('LogoutRelayCheckFindings: a Redis that may drop registrations', async () => {
  const server = await startRedisServer()
  const redis = new Redis(server.url)
  try {
    const env = { CHECK_INTERVAL_MS: '500' }
    await using drill = await Drill.open('LogoutRelayCheckFindings', { redisUrl: server.url, env })
    const relay = await drill.startRelay()
    await redis.config('SET', 'maxmemory', '100mb')
    await redis.config('SET', 'maxmemory-policy', 'allkeys-lru')
    await drill.fires({ check: 'redis-eviction' })
    const { remedy } = await drill.loggedBy(relay, '"msg":"check"', { check: 'redis-eviction' })
    const [, name = '', value = ''] = /^set (\S+) to (\S+)$/.exec(String(remedy)) ?? []
    await redis.config('SET', name, value)
    await drill.resolves({ check: 'redis-eviction' })
  } finally {
    redis.disconnect()
    await server.stop()
  }
})
