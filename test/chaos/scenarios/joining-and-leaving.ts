import { setTimeout as delay } from 'node:timers/promises'
import type { ChaosRun } from '../chaos-run.ts'
import type { Scenario } from '../scenario.ts'

const RELAYS_MAX = 4

/** Nobody is hurt: a rebalance waits for what is under way, so nothing may come twice. */
export const joiningAndLeaving: Scenario = {
  name: 'joining-and-leaving-repeats-nothing',
  fault: 'replicas join and leave (every 3 s for 2 minutes in the long form)',
  deliveries: { long: 50_000, short: 1_500 },
  async run(run) {
    await run.site.relays.start(1)
    const seconds = run.pick({ long: 120, short: 8 })
    await Promise.all([
      run.publish({ perSecond: run.sessions.length / seconds }),
      comeAndGo(run, seconds, run.pick({ long: 3_000, short: 1_500 })),
    ])
  },
}

async function comeAndGo({ random, say, site }: ChaosRun, seconds: number, everyMs: number): Promise<void> {
  const { relays } = site
  const leaving: Promise<void>[] = []
  for (let passedMs = 0; passedMs < seconds * 1_000; passedMs += everyMs) {
    await delay(everyMs)
    const count = relays.running.length
    if (count < 2 || (count < RELAYS_MAX && random.next() < 0.5)) {
      say(`one joins the ${count} that are there`)
      await relays.launch()
    } else {
      say(`one of ${count} leaves`)
      leaving.push(relays.stop(random.pick(relays.running)))
    }
  }
  await Promise.all(leaving)
}
