import { randomUUID } from 'node:crypto'
import { Redis } from 'ioredis'
import { afterEach, beforeEach, expect, inject, test } from 'vitest'
import { type RedisServer, startRedisServer } from '../stack/redis-server.ts'
import { eventually } from '../support/eventually.ts'
import { type Ledger, startLedger } from '../support/ledger/ledger.ts'
import { readMetric } from '../support/relay-metrics.ts'
import type { RelayProcess } from '../support/relay-process.ts'
import { ISSUER, RelaySite } from '../support/relay-site.ts'

/* Redis goes back to a state of some milliseconds ago, under the same run and on the same connections. */

let redis: RedisServer
let admin: Redis
let site: RelaySite
let ledger: Ledger

beforeEach(async () => {
  redis = await startRedisServer({ isDebuggable: true })
  admin = new Redis(redis.url)
  site = await RelaySite.open({ kafkaBrokers: inject('kafkaBrokers'), redisUrl: redis.url })
  ledger = await startLedger({ origins: 1, verify: 'all', jwks: site.publicJwks(), issuer: ISSUER })
})
afterEach(async () => {
  admin.disconnect()
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
const aliveSessions = () => admin.keys(`${site.prefix}:session:*`)

/** Right behind a heartbeat, so that what follows lies between that one and the next. */
async function saveBehindHeartbeat(): Promise<void> {
  const heartbeat = () => admin.hget(`${site.prefix}:epoch`, 'heartbeat')
  const before = await heartbeat()
  while ((await heartbeat()) === before);
  await admin.save()
}

/** The state of the last `SAVE`. */
const fallBack = () => admin.debug('RELOAD', 'NOSAVE')

async function isIntactAgain(...relays: readonly RelayProcess[]): Promise<void> {
  await eventually(async () => {
    const losses = await Promise.all(relays.map((it) => readMetric(it, 'registry_losses_total')))
    expect(losses.reduce((sum, it) => sum + it, 0)).toBeGreaterThan(0)
    for (const it of relays) expect(await readMetric(it, 'registry_intact')).toBe(1)
  })
}

test.each([1, 2])(
  'logins that Redis loses between two heartbeats are known again, with %i relays',
  async (count) => {
    const relays = []
    for (let i = 0; i < count; i++) relays.push(await site.startRelay())
    await saveBehindHeartbeat()
    const lost = logins(40)
    await site.topic.publish(...lost.map((it) => site.registered(it)))
    await eventually(async () => expect(await aliveSessions()).toHaveLength(40))
    await fallBack()
    await isIntactAgain(...relays)
    await site.topic.publish(...lost.map((it) => site.terminated(it)))
    await ledger.waitFor({ distinctMin: 40 })
    await allApplied()
    await eventually(async () => expect(await aliveSessions()).toEqual([]))
  },
)

test('logouts that are parked, and lost between two heartbeats, are sent all the same', async () => {
  const relay = await site.startRelay()
  let isDown = true
  const parked = Array.from({ length: 10 }, (_, i) =>
    site.registration(`/parked-${i}`, {
      backchannelLogoutUri: site.rps.uri(`/parked-${i}`, (_request, response) => {
        response.writeHead(isDown ? 503 : 200, { 'content-length': 0 }).end()
      }),
    }),
  )
  await site.topic.publish(...parked.map((it) => site.registered(it)))
  await allApplied()
  await saveBehindHeartbeat()
  await site.topic.publish(...parked.map((it) => site.terminated(it)))
  await eventually(async () => expect(await admin.keys(`${site.prefix}:backlog:*`)).toHaveLength(10))
  await fallBack()
  isDown = false
  await isIntactAgain(relay)
  for (const it of parked) await site.topic.waitForOutcome(it.clientId, it.sessionId)
  await allApplied()
  await eventually(async () => expect(await aliveSessions()).toEqual([]))
})

test('what was settled since does not come back to life', async () => {
  const relay = await site.startRelay()
  const settled = logins(40)
  await site.topic.publish(...settled.map((it) => site.registered(it)))
  await allApplied()
  await saveBehindHeartbeat()
  await site.topic.publish(...settled.map((it) => site.terminated(it)))
  await ledger.waitFor({ distinctMin: 40 })
  await eventually(async () => expect(await aliveSessions()).toEqual([]))
  await fallBack()
  await isIntactAgain(relay)
  await eventually(async () => expect(await aliveSessions()).toEqual([]))
  expect(await ledger.summary()).toMatchObject({ distinct: 40, duplicates: 0 })
})
