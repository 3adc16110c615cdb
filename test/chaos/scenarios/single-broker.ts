import { setTimeout as delay } from 'node:timers/promises'
import type { ChaosRun } from '../chaos-run.ts'
import type { Scenario } from '../scenario.ts'

const RELAYS = 2

export const deadBroker: Scenario = {
  name: 'dead-broker-loses-nothing',
  fault: 'the single broker killed and started again',
  deliveries: { long: 20_000, short: 1_500 },
  run: (run) =>
    underLoad(run, async () => {
      const { cluster } = run.site
      await cluster.kill(0)
      await delay(run.pick({ long: 10_000, short: 1_500 }))
      await cluster.start(0)
    }),
}

export const frozenBroker: Scenario = {
  name: 'frozen-broker-loses-nothing',
  fault: 'the single broker frozen (for 30 s in the long form)',
  deliveries: { long: 20_000, short: 1_500 },
  run: (run) =>
    underLoad(run, async () => {
      const { cluster } = run.site
      cluster.freeze(0)
      try {
        await delay(run.pick({ long: 30_000, short: 4_000 }))
      } finally {
        cluster.thaw(0)
      }
    }),
}

/** Half of the work at once, so that outcomes are on their way in that moment, and half of it at a constant rate. */
async function underLoad(run: ChaosRun, hurt: () => Promise<void>): Promise<void> {
  await run.site.relays.start(RELAYS)
  const seconds = run.pick({ long: 30, short: 4 })
  await run.publish({ to: 0.5 })
  const fault = async () => {
    await run.delivered(run.random.next() * 0.4)
    run.allowInFlight(RELAYS)
    run.say('the broker is hurt')
    await hurt()
    run.say('the broker is whole again')
  }
  await Promise.all([run.publish({ from: 0.5, perSecond: run.sessions.length / 2 / seconds }), fault()])
}
