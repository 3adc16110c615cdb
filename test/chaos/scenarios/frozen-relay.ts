import { setTimeout as delay } from 'node:timers/promises'
import type { RelayProcess } from '../../support/relay-process.ts'
import { SHORT_MEMBERSHIP } from '../form-settings.ts'
import type { Scenario } from '../scenario.ts'

/** The group gives it up, others take over, and then it wakes and believes that nothing has happened. */
export const frozenRelay: Scenario = {
  name: 'woken-relay-does-no-harm',
  fault: 'one of two relays frozen for longer than its membership lasts, then woken',
  deliveries: { long: 20_000, short: 1_500 },
  scenery: { env: { short: SHORT_MEMBERSHIP } },
  async run(run) {
    const { relays } = run.site
    await relays.start(2)
    const seconds = run.pick({ long: 60, short: 7 })
    const freeze = async () => {
      await run.delivered(0.25)
      const relay = run.random.pick(relays.running) as RelayProcess
      // What it held may be sent by whoever takes over, and again by itself when it wakes.
      run.allowInFlight(1)
      run.say('freeze')
      relay.signal('SIGSTOP')
      await delay(run.pick({ long: 20_000, short: 5_000 }))
      run.say('wake')
      relay.signal('SIGCONT')
    }
    await Promise.all([run.publish({ perSecond: run.sessions.length / seconds }), freeze()])
  },
}
