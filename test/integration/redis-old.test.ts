import { randomUUID } from 'node:crypto'
import { Redis } from 'ioredis'
import { afterEach, expect, inject, test } from 'vitest'
import { type RedisServer, startRedisServer } from '../stack/redis-server.ts'
import { eventually } from '../support/eventually.ts'
import { type Ledger, startLedger } from '../support/ledger/ledger.ts'
import { readMetric } from '../support/relay-metrics.ts'
import type { RelayProcess } from '../support/relay-process.ts'
import { ISSUER, RelaySite } from '../support/relay-site.ts'

let redis: RedisServer
let site: RelaySite
let ledger: Ledger

async function open(env: Readonly<Record<string, string>> = {}): Promise<void> {
  redis = await startRedisServer()
  site = await RelaySite.open({ env, kafkaBrokers: inject('kafkaBrokers'), redisUrl: redis.url })
  ledger = await startLedger({ origins: 1, verify: 'all', jwks: site.publicJwks(), issuer: ISSUER })
}
afterEach(async () => {
  await ledger.stop()
  await site.close()
  await redis.stop()
})

function logins(count: number) {
  const [rp] = ledger.relyingParties
  if (rp === undefined) throw new Error('the ledger has no RP')
  return Array.from({ length: count }, () =>
    site.registration('/', { ...rp, sessionId: randomUUID(), userId: randomUUID(), alg: 'ES256' }),
  )
}

const allApplied = () => eventually(async () => expect(await site.topic.lag(site.groupId)).toBe(0))
const isIntactAgain = (relay: RelayProcess, losses = 1) =>
  eventually(async () => {
    expect(await readMetric(relay, 'registry_losses_total')).toBeGreaterThanOrEqual(losses)
    expect(await readMetric(relay, 'registry_intact')).toBe(1)
  })
const aliveSessions = async () =>
  (await site.redisKeys('session:*')).map((key) => key.replace(/^.*\|(.*)\}$/, '$1')).sort()

test('Redis starts again from an old snapshot: what it lacks is applied again, and nothing settled comes back to life', async () => {
  await open()
  const relay = await site.startRelay()
  const [settledBefore, settledAfter, alive] = [logins(30), logins(30), logins(30)]
  await site.topic.publish(...[...settledBefore, ...settledAfter, ...alive].map((it) => site.registered(it)))
  await site.topic.publish(...settledBefore.map((it) => site.terminated(it)))
  await ledger.waitFor({ distinctMin: 30 })
  await allApplied()
  // The positions are written every second, and speak for what was there before.
  await eventually(async () => expect(await site.redis.hgetall(`${site.prefix}:positions`)).not.toEqual({}))
  await site.redis.save()
  const [lateSettled, late] = [logins(30), logins(30)]
  await site.topic.publish(...[...lateSettled, ...late].map((it) => site.registered(it)))
  await site.topic.publish(...[...settledAfter, ...lateSettled].map((it) => site.terminated(it)))
  await ledger.waitFor({ distinctMin: 90 })
  await allApplied()
  const before = await aliveSessions()
  expect(before).toEqual([...alive, ...late].map(({ sessionId }) => sessionId).sort())

  await redis.kill()
  await redis.start()
  await isIntactAgain(relay)
  await eventually(async () => expect(await aliveSessions()).toEqual(before))
  await site.topic.publish(...[...alive, ...late].map((it) => site.terminated(it)))
  await ledger.waitFor({ distinctMin: 150 })
  await allApplied()
  expect(await aliveSessions()).toEqual([])
  // Each was told once: what the snapshot held as alive had an outcome on the topic.
  expect(await ledger.summary()).toMatchObject({ distinct: 150, duplicates: 0 })
})

test('a Redis that may not tell who it is: each new connection has the store completed', async () => {
  await open()
  const admin = new Redis(redis.url)
  await admin.call('ACL', 'SETUSER', 'relay', 'on', '>secret', '~*', '&*', '+@all', '-info')
  const env = { REDIS_USERNAME: 'relay', REDIS_PASSWORD: 'secret' }
  const relays = [await site.startRelay(env), await site.startRelay(env)]
  const known = logins(20)
  await site.topic.publish(...known.map((it) => site.registered(it)))
  await allApplied()
  await site.redis.save()
  const lost = logins(20)
  await site.topic.publish(...lost.map((it) => site.registered(it)))
  await allApplied()
  await redis.kill()
  await redis.start()
  await admin.call('ACL', 'SETUSER', 'relay', 'on', '>secret', '~*', '&*', '+@all', '-info')
  for (const relay of relays) await isIntactAgain(relay)
  await site.topic.publish(...[...known, ...lost].map((it) => site.terminated(it)))
  await ledger.waitFor({ distinctMin: 40 })
  await allApplied()
  await eventually(async () => expect(await aliveSessions()).toEqual([]))
  admin.disconnect()
})
