import { afterEach, beforeEach, expect, inject, test } from 'vitest'
import { type RedisServer, startRedisServer } from '../stack/redis-server.ts'
import { eventually } from '../support/eventually.ts'
import { type FinishedCommand, relayCommand } from '../support/relay-command.ts'
import { RelaySite } from '../support/relay-site.ts'
import { end } from '../support/relying-party-server.ts'

const DELIVERIES = 150

let redis: RedisServer
let site: RelaySite
let isHalfDone: Promise<void>

/** A relay has taken the triggers in while Redis, one of their own, did not know the registrations; it knows them now. */
beforeEach(async () => {
  redis = await startRedisServer({ persistence: 'none' })
  const env = { ATTEMPT_TIMEOUT_MS: '2000', RETRY_LEASE_MS: '5000' }
  site = await RelaySite.open({ kafkaBrokers: inject('kafkaBrokers'), redisUrl: redis.url, env })
  await site.startRelay()
  const reached = Promise.withResolvers<void>()
  isHalfDone = reached.promise
  const uri = site.rps.uri('/rp', (_request, response) => {
    if (site.rps.at('/rp').length >= DELIVERIES / 2) reached.resolve()
    end(response, 200)
  })
  const registrations = Array.from({ length: DELIVERIES }, () =>
    site.registration('/rp', { backchannelLogoutUri: uri }),
  )
  await site.topic.publish(...registrations.map((it) => site.registered(it)))
  await eventually(async () => expect(await site.redisKeys('session:*')).toHaveLength(DELIVERIES))
  await site.redis.del(await site.redisKeys('session:*'))
  await site.topic.publish(...registrations.map((it) => site.terminated(it)))
  await eventually(async () => expect(await site.topic.lag(site.groupId)).toBe(0))
  await site.registerInRedis(...registrations)
})
afterEach(async () => {
  await site.close()
  await redis.stop()
})

const run = (...args: string[]) => relayCommand(args, site.commandEnvironment())
const summaryOf = ({ rows }: FinishedCommand) => rows.find(({ step }) => step === 'summary')
/** Resolves when the RP has heard of nothing for a while. */
function nothingMoves(): Promise<void> {
  let seen = -1
  const isStill = () => {
    const before = seen
    seen = tokens().length
    expect(seen).toBe(before)
  }
  return eventually(isStill, { interval: 1_500 })
}
const tokens = () => site.rps.at('/rp').map(({ claims }) => claims.sid)

test('Redis frozen in the middle of a replay: it waits, and nothing is lost or sent twice', async () => {
  const replay = run('replay', '--json', '--from', '1h', '--rate', '100')
  await isHalfDone
  redis.freeze()
  await nothingMoves()
  redis.thaw()
  const finished = await replay
  expect(finished.status, finished.stderr).toBe(0)
  expect(summaryOf(finished)).toMatchObject({ owed: DELIVERIES, sent: DELIVERIES, failed: 0, parked: 0 })
  expect(tokens()).toHaveLength(DELIVERIES)
  expect(new Set(tokens()).size).toBe(DELIVERIES)
})

test('Redis emptied in the middle of a replay: it says so, and the relay goes on with what is owed', async () => {
  const replay = run('replay', '--json', '--from', '1h', '--rate', '20')
  await isHalfDone
  await site.redis.flushall()
  const stopped = await replay
  expect(stopped.status).toBe(1)
  expect(stopped.stderr).toMatch(/reconcile/)
  await eventually(() => expect(new Set(tokens()).size).toBe(DELIVERIES))
  await eventually(async () => expect(await site.redisKeys('session:*')).toEqual([]))
  const finished = await run('replay', '--json', '--from', '1h')
  expect(finished.status, finished.stderr).toBe(0)
  // What had its outcome on the topic was not built again; the others were in flight.
  expect(tokens().length).toBeLessThanOrEqual(DELIVERIES + 10)
})
