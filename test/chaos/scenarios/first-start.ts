import { setTimeout as delay } from 'node:timers/promises'
import type { Scenario } from '../scenario.ts'

const OLD_SHARE = 0.1
const BEFORE_SHARE = 0.2
const RELAYS = 2
/** Enough for a slow machine: they log in for as long as the start takes. */
const STEP_SHARE = 0.004
const STEP_MS = 60

/** With Kafka's own delay before a new group has members: in the meantime nobody reads, and users log in. */
export const firstStart: Scenario = {
  name: 'first-start-knows-every-login',
  fault: 'the first start of two relays while users log in, with old logouts on the topic',
  deliveries: { long: 10_000, short: 1_500 },
  scenery: {
    registrations: 'by-scenario',
    brokerProperties: { 'group.initial.rebalance.delay.ms': '3000' },
    env: { long: { KAFKA_START_FROM: 'latest' }, short: { KAFKA_START_FROM: 'latest' } },
  },
  async run(run) {
    const { log, name, relays } = run.site
    await log.publish(name, run.logOutBefore(OLD_SHARE))
    await run.logIn({ from: OLD_SHARE, to: BEFORE_SHARE })
    let from = BEFORE_SHARE
    let isStarted = false
    const starting = relays.start(RELAYS).finally(() => {
      isStarted = true
    })
    for (; from < 1 && !isStarted; from += STEP_SHARE) {
      await run.logIn({ from, to: Math.min(from + STEP_SHARE, 1) })
      await delay(STEP_MS)
    }
    await starting
    run.say(
      `they are ready, ${Math.round((1 - Math.min(from, 1)) * 100)} % of the users have not logged in yet`,
    )
    if (from < 1) await run.logIn({ from })
    run.say('all users log out')
    await run.publish({ from: OLD_SHARE })
  },
}
