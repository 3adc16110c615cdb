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

/** No relay runs: registrations and triggers are on the topic, and in a Redis of its own once it is built from there. */
beforeEach(async () => {
  redis = await startRedisServer({ persistence: 'none' })
  site = await RelaySite.open({ kafkaBrokers: inject('kafkaBrokers'), redisUrl: redis.url })
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
  expect((await run('reconcile')).status).toBe(0)
  await site.topic.publish(...registrations.map((it) => site.terminated(it)))
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
  const replay = run('replay', '--from', '1h', '--rate', '100')
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

test('Redis emptied in the middle of a replay: it says so; reconcile, then replay, send the rest', async () => {
  const replay = run('replay', '--from', '1h', '--rate', '100')
  await isHalfDone
  await site.redis.flushall()
  const stopped = await replay
  expect(stopped.status).toBe(1)
  expect(stopped.stderr).toMatch(/reconcile/)
  const before = tokens().length
  expect(before).toBeLessThan(DELIVERIES)

  expect((await run('reconcile')).status).toBe(0)
  const finished = await run('replay', '--from', '1h')
  expect(finished.status, finished.stderr).toBe(0)
  expect(new Set(tokens()).size).toBe(DELIVERIES)
  // What had its outcome on the topic was not built again; the others were in flight.
  expect(tokens().length).toBeLessThanOrEqual(DELIVERIES + 10)
})
