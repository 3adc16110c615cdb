import { SHORT_MEMBERSHIP } from '../form-settings.ts'
import type { Scenario } from '../scenario.ts'

/** Late enough that the last one still has something to interrupt. */
const LAST_KILL_SHARE = 0.95

export const killedRelays: Scenario = {
  name: 'killed-relays-lose-nothing',
  fault: 'SIGKILL of a relay at random moments (20 in the long form), two replicas',
  deliveries: { long: 100_000, short: 4_000 },
  scenery: { env: { short: SHORT_MEMBERSHIP } },
  async run(run) {
    const { relays } = run.site
    await run.publish()
    await relays.start(2)
    for (const share of run.random.moments(run.pick({ long: 20, short: 4 }), LAST_KILL_SHARE)) {
      await run.delivered(share)
      await run.killRelay(run.random.pick(relays.running))
      await relays.launch()
    }
  },
}
