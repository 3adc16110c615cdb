import { setTimeout as delay } from 'node:timers/promises'
import type { ChaosRun } from '../chaos-run.ts'
import { holdsWithin } from '../poll.ts'
import type { Scenario } from '../scenario.ts'

const RELAYS = 2
const LOOK_MS = 250
const CLAIMS_TOO = 1.5
const REFUSED_MS_MAX = 10_000

/** Nobody may write to the outcome topic; a relay is killed with what it could not publish, and no RP is told twice. */
export const refusedOutcomes: Scenario = {
  name: 'refused-outcomes-wait-bounded',
  fault: 'publishing outcomes is refused for a while, and a relay is killed meanwhile',
  deliveries: { long: 20_000, short: 1_500 },
  scenery: { ownOutcomeTopic: true },
  async run(run) {
    const { log, outcomeTopic, relays } = run.site
    await relays.start(RELAYS)
    await run.publish({ to: 0.2 })
    await run.delivered(0.1)
    run.say('publishing is refused')
    await log.forbidWriting(outcomeTopic)
    await run.publish({ from: 0.2 })
    try {
      const ms = run.pick({ long: 15_000, short: 2_000 })
      await watch(run, ms)
      await relays.kill(run.random.pick(relays.running))
      await relays.launch()
      await watch(run, ms)
    } finally {
      await log.allowWriting(outcomeTopic)
      run.say('publishing is allowed')
    }
  },
}

/** What waits for its outcome to be published is held in memory, and must not grow beyond what is configured. */
async function watch({ problems, settings, site: { relays } }: ChaosRun, ms: number): Promise<void> {
  // What is parked has room of its own, and attempts that took long come back when they have ended.
  const allowed = RELAYS * (CLAIMS_TOO * settings.maxUnsettled + settings.origins)
  const isStuck = async () => (await relays.metric('outcomes_pending')) > 0
  if (!(await holdsWithin(isStuck, REFUSED_MS_MAX))) problems.push('no outcome waits: nothing was refused')
  let most = 0
  for (const untilMs = performance.now() + ms; performance.now() < untilMs; await delay(LOOK_MS))
    most = Math.max(most, await relays.metric('deliveries_unsettled'))
  if (most > allowed) problems.push(`${most} deliveries are held in memory, ${allowed} allowed`)
}
