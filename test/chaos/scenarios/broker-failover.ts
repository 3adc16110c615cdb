import { setTimeout as delay } from 'node:timers/promises'
import type { ChaosRun } from '../chaos-run.ts'
import { holdsWithin } from '../poll.ts'
import type { Scenario } from '../scenario.ts'

const RELAYS = 2
const IN_SYNC_MS_MAX = 120_000

export const lostBroker: Scenario = {
  name: 'lost-broker-loses-nothing',
  fault: 'one of three brokers killed and brought back (five times in the long form)',
  deliveries: { long: 50_000, short: 1_500 },
  scenery: { brokers: 3 },
  async run(run) {
    await run.site.relays.start(RELAYS)
    const seconds = run.pick({ long: 80, short: 8 })
    await Promise.all([run.publish({ perSecond: run.sessions.length / seconds }), loseBrokers(run)])
  },
}

/** At full speed, so that a request for many partitions is under way when one of them loses its leader. */
export const movedLeader: Scenario = {
  name: 'moved-leader-loses-no-outcome',
  fault: 'the leader of a partition killed while outcomes are published at full speed',
  deliveries: { long: 40_000, short: 3_000 },
  scenery: { brokers: 3 },
  async run(run) {
    const { log, name, relays } = run.site
    await run.publish()
    await relays.start(RELAYS)
    for (const share of run.pick({ long: [0.15, 0.4, 0.65], short: [0.3] })) {
      await run.delivered(share)
      await loseBroker(run, (await log.leaderOf(name, 0)) - 1)
    }
  },
}

async function loseBrokers(run: ChaosRun): Promise<void> {
  for (let count = run.pick({ long: 5, short: 1 }); count > 0; count--) {
    await delay(run.random.between(1_000, 3_000))
    await loseBroker(run, run.random.between(0, run.site.cluster.size - 1))
  }
}

/** Resolves when it is back and has caught up: another one may be lost then. */
async function loseBroker(run: ChaosRun, index: number): Promise<void> {
  const { cluster, log, name } = run.site
  run.allowInFlight(RELAYS)
  run.say(`broker ${index} is killed`)
  await cluster.kill(index)
  await delay(run.random.between(500, run.pick({ long: 8_000, short: 1_500 })))
  await cluster.start(index)
  if (!(await holdsWithin(() => log.isFullyReplicated(name), IN_SYNC_MS_MAX))) {
    throw new Error(`broker ${index} did not catch up`)
  }
  run.say(`broker ${index} is back`)
}
