import type { Scenario } from '../scenario.ts'

const OLD_SHARE = 0.1
const BEFORE_SHARE = 0.2
const RELAYS = 2

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
    const seconds = run.pick({ long: 20, short: 6 })
    await Promise.all([
      relays.start(RELAYS),
      run.logIn({ from: BEFORE_SHARE, perSecond: (run.deliveries * (1 - BEFORE_SHARE)) / seconds }),
    ])
    run.say('they are ready, all users log out')
    await run.publish({ from: OLD_SHARE })
  },
}
