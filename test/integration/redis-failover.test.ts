import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { Redis } from 'ioredis'
import { afterEach, beforeEach, expect, inject, test } from 'vitest'
import { type RedisServer, startRedisServer } from '../stack/redis-server.ts'
import { eventually } from '../support/eventually.ts'
import { RelaySite } from '../support/relay-site.ts'

let first: RedisServer
let second: RedisServer
let site: RelaySite

beforeEach(async () => {
  ;[first, second] = await Promise.all([startRedisServer(), startRedisServer()])
  site = await RelaySite.open({ kafkaBrokers: inject('kafkaBrokers'), redisUrl: first.url })
})
afterEach(async () => {
  await site.redis.replicaof('NO', 'ONE')
  await site.close()
  await Promise.all([first.stop(), second.stop()])
})

test('an endpoint that moves to the new primary while the old one stays up as a replica: the relay follows', async () => {
  let target = Number(new URL(first.url).port)
  const endpoint = createServer((client) => {
    const upstream = connect(target, '127.0.0.1')
    client.pipe(upstream).pipe(client)
    for (const socket of [client, upstream]) {
      socket.on('error', () => undefined)
      socket.on('close', () => {
        client.destroy()
        upstream.destroy()
      })
    }
  }).listen(0, '127.0.0.1')
  await once(endpoint, 'listening')
  const atSecond = new Redis(second.url)
  try {
    const url = `redis://127.0.0.1:${(endpoint.address() as AddressInfo).port}`
    await site.startRelay({ REDIS_URL: url })
    const registration = site.registration('/moved')
    await site.registerInRedis(registration)
    await atSecond.replicaof('127.0.0.1', target)
    await eventually(async () =>
      expect(await atSecond.exists(site.sessionKey(registration.sessionId))).toBe(1),
    )
    await atSecond.replicaof('NO', 'ONE')
    target = Number(new URL(second.url).port)
    await site.redis.replicaof('127.0.0.1', target)
    await eventually(async () => expect(await site.redis.info('replication')).toContain('link_status:up'))

    await site.topic.publish(site.terminated(registration))
    await site.topic.waitForOutcome(registration.clientId, registration.sessionId)
    await eventually(async () =>
      expect(await atSecond.exists(site.sessionKey(registration.sessionId))).toBe(0),
    )
  } finally {
    atSecond.disconnect()
    endpoint.close()
  }
})
