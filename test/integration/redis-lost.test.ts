import { randomUUID } from 'node:crypto'
import { afterEach, expect, inject, test } from 'vitest'
import { type RedisServer, startRedisServer } from '../stack/redis-server.ts'
import { expectAllDelivered, type Work } from '../support/delivery-ledger.ts'
import { eventually } from '../support/eventually.ts'
import { type Ledger, startLedger } from '../support/ledger/ledger.ts'
import { readMetric } from '../support/relay-metrics.ts'
import type { RelayProcess } from '../support/relay-process.ts'
import { ISSUER, RelaySite } from '../support/relay-site.ts'
import { end } from '../support/relying-party-server.ts'

const SESSIONS = 150
const RPS = 4
const MAX_UNSETTLED = 100
/** What was in flight when Redis was lost, claims included, and what came of it later than the topic was read for it. */
const IN_FLIGHT_MAX = MAX_UNSETTLED * 1.5 + 2 * RPS

let redis: RedisServer
let site: RelaySite
let ledger: Ledger

/** A Redis that may be lost, because no other test has it. */
async function open(
  persistence: 'none' | 'appendonly' = 'none',
  env: Readonly<Record<string, string>> = {},
): Promise<void> {
  redis = await startRedisServer({ persistence })
  site = await RelaySite.open({
    kafkaBrokers: inject('kafkaBrokers'),
    redisUrl: redis.url,
    env: { MAX_UNSETTLED: String(MAX_UNSETTLED), RETRY_LEASE_MS: '2000', ATTEMPT_TIMEOUT_MS: '1500', ...env },
  })
  ledger = await startLedger({ origins: RPS, verify: 'all', jwks: site.publicJwks(), issuer: ISSUER })
}
afterEach(async () => {
  await ledger.stop()
  await site.close()
  await redis.stop()
})

/** Sessions whose registrations are on the topic: from there alone can they be built again. */
async function registerOnTopic(sessions: number): Promise<Work> {
  const sessionIds = Array.from({ length: sessions }, () => randomUUID())
  const registrations = sessionIds.flatMap((sessionId) => {
    const userId = randomUUID()
    return ledger.relyingParties.map(({ clientId, backchannelLogoutUri }) =>
      site.registration('/', { sessionId, userId, clientId, backchannelLogoutUri, alg: 'ES256' }),
    )
  })
  await site.topic.publish(...registrations.map((it) => site.registered(it)))
  await eventually(async () => expect(await site.topic.lag(site.groupId)).toBe(0))
  return { registrations, sessionIds }
}

const isIntactAgain = (relay: RelayProcess) =>
  eventually(async () => {
    expect(await readMetric(relay, 'registry_losses_total')).toBeGreaterThan(0)
    expect(await readMetric(relay, 'registry_intact')).toBe(1)
  })

test('FLUSHALL while nothing comes in: noticed, told, and the registry built anew', async () => {
  await open()
  const relay = await site.startRelay()
  const { sessionIds } = await registerOnTopic(20)
  await site.redis.flushall()
  await isIntactAgain(relay)
  const isTold = () => relay.log.some(({ msg }) => String(msg).includes('lost the registry'))
  await eventually(() => expect(isTold()).toBe(true))
  expect(await site.redisKeys('session:*')).toHaveLength(20)
  await site.topic.publish(site.terminated({ sessionId: sessionIds[0] ?? '' }))
  await ledger.waitFor({ distinctMin: RPS })
})

test('FLUSHALL in the middle of a load on two replicas: every RP is told of every session', async () => {
  await open()
  await site.startRelay()
  await site.startRelay()
  const work = await registerOnTopic(SESSIONS)
  await site.topic.publish(...work.sessionIds.map((sessionId) => site.terminated({ sessionId })))
  await ledger.waitFor({ distinctMin: SESSIONS * RPS * 0.3 })
  await site.redis.flushall()
  await expectAllDelivered(site, ledger, work, { duplicatesMax: 2 * IN_FLIGHT_MAX })
})

test('triggers that came in while the emptied Redis was not yet noticed are not lost', async () => {
  // Long: an RP that answers after the time-out, because the machine is busy, is told twice and rightly so.
  await open('none', { ATTEMPT_TIMEOUT_MS: '10000', RETRY_LEASE_MS: '13000' })
  const relay = await site.startRelay()
  const work = await registerOnTopic(40)
  await site.redis.flushall()
  await site.topic.publish(...work.sessionIds.map((sessionId) => site.terminated({ sessionId })))
  await isIntactAgain(relay)
  await expectAllDelivered(site, ledger, work, { duplicatesMax: 0 })
})

test.each([
  ['an empty disk', 'none'],
  ['everything that it had', 'appendonly'],
] as const)('killed in the middle of a load and started again with %s', async (_, persistence) => {
  await open(persistence)
  const relay = await site.startRelay()
  const work = await registerOnTopic(SESSIONS)
  await site.topic.publish(...work.sessionIds.map((sessionId) => site.terminated({ sessionId })))
  await ledger.waitFor({ distinctMin: SESSIONS * RPS * 0.3 })
  await redis.kill()
  await eventually(async () => expect((await fetch(`${relay.url}/readyz`)).status).toBe(503))
  await redis.start()
  // Another run of the server: what it holds may be old.
  await isIntactAgain(relay)
  await expectAllDelivered(site, ledger, work, { duplicatesMax: IN_FLIGHT_MAX })
})

test('frozen in the middle of a load: nothing is lost, and nothing built anew', async () => {
  await open()
  const relay = await site.startRelay()
  const work = await registerOnTopic(SESSIONS)
  await site.topic.publish(...work.sessionIds.map((sessionId) => site.terminated({ sessionId })))
  await ledger.waitFor({ distinctMin: SESSIONS * RPS * 0.3 })
  redis.freeze()
  await eventually(async () => expect((await fetch(`${relay.url}/readyz`)).status).toBe(503))
  redis.thaw()
  await expectAllDelivered(site, ledger, work, { duplicatesMax: IN_FLIGHT_MAX })
  expect(await readMetric(relay, 'registry_losses_total')).toBe(0)
})

test('what was parked in a Redis that is lost for longer than its deadline ends as expired, and its registration goes', async () => {
  const deadlineMs = 5_000
  await open('none', { RETRY_DEADLINE_MS: String(deadlineMs), RETRY_BASE_DELAY_MS: '200' })
  await site.startRelay()
  const registration = site.registration('/down', {
    backchannelLogoutUri: site.rps.uri('/down', (_request, response) => end(response, 503)),
  })
  await site.topic.publish(site.registered(registration), site.terminated(registration))
  await site.rps.waitFor('/down')
  await eventually(async () => expect(await site.topic.lag(site.groupId)).toBe(0))
  const endsAtMs = Date.now() + deadlineMs
  await redis.kill()
  await eventually(() => expect(Date.now()).toBeGreaterThan(endsAtMs))
  await redis.start({ empty: true })
  const { data } = await site.topic.waitForOutcome(registration.clientId)
  expect(data).toMatchObject({ reason: 'expired', trigger: { partition: expect.any(Number) } })
  await eventually(async () => expect(await site.redisKeys('session:*')).toEqual([]))
})
