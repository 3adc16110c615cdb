import { setTimeout as delay } from 'node:timers/promises'
import type { ChaosRun } from '../chaos-run.ts'
import type { Scenario } from '../scenario.ts'

const RELAYS = 2

export const emptiedRedis: Scenario = {
  name: 'emptied-redis-loses-nothing',
  fault: 'Redis killed, and started again with an empty disk',
  deliveries: { long: 20_000, short: 1_500 },
  scenery: { registrations: 'records' },
  run: (run) =>
    underLoad(run, async () => {
      const { redisServer } = run.site
      await redisServer.kill()
      await delay(run.random.between(200, run.pick({ long: 5_000, short: 1_000 })))
      await redisServer.start({ empty: true })
    }),
}

/** With a backlog, which is lost with the rest: some RPs are down before and well afterwards. */
export const flushedRedis: Scenario = {
  name: 'flushed-redis-loses-nothing',
  fault: 'FLUSHALL in the middle, while a tenth of the RPs have a backlog',
  deliveries: { long: 20_000, short: 1_500 },
  scenery: { registrations: 'records' },
  async run(run) {
    const { ledger, redis } = run.site
    const ill = run.firstOrigins(0.1)
    await ledger.behave({ kind: 'answer', status: 503 }, ill)
    await underLoad(run, async () => {
      await redis.flushall()
      await ledger.behave({ kind: 'answer', status: 200 }, ill)
    })
  },
}

export const frozenRedis: Scenario = {
  name: 'frozen-redis-loses-nothing',
  fault: 'Redis frozen (for 30 s in the long form)',
  deliveries: { long: 20_000, short: 1_500 },
  run: (run) =>
    underLoad(run, async () => {
      const { redisServer } = run.site
      redisServer.freeze()
      await delay(run.pick({ long: 30_000, short: 3_000 }))
      redisServer.thaw()
    }),
}

export const restartedRedis: Scenario = {
  name: 'restarted-redis-loses-nothing',
  fault: 'Redis with an append-only file killed and started again',
  deliveries: { long: 20_000, short: 1_500 },
  scenery: { redisPersistence: 'appendonly' },
  run: (run) =>
    underLoad(run, async () => {
      const { redisServer } = run.site
      await redisServer.kill()
      await delay(run.random.between(200, run.pick({ long: 5_000, short: 1_000 })))
      await redisServer.start()
    }),
}

async function underLoad(run: ChaosRun, hurt: () => Promise<void>): Promise<void> {
  await run.site.relays.start(RELAYS)
  const seconds = run.pick({ long: 30, short: 4 })
  await run.publish({ to: 0.5 })
  const fault = async () => {
    await run.delivered(0.05 + run.random.next() * 0.35)
    run.allowInFlight(RELAYS)
    run.say('Redis is hurt')
    await hurt()
    run.say('Redis is there again')
  }
  await Promise.all([run.publish({ from: 0.5, perSecond: run.sessions.length / 2 / seconds }), fault()])
}
