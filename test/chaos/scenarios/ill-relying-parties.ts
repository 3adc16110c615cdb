import { setTimeout as delay } from 'node:timers/promises'
import type { Scenario } from '../scenario.ts'

export const illRelyingParties: Scenario = {
  name: 'ill-rps-get-everything-once-well',
  fault: '10 % of the RPs hang, 10 % refuse, 10 % answer 503 (for 30 s in the long form), then all are well',
  deliveries: { long: 50_000, short: 3_000 },
  async run(run) {
    const { ledger, relays } = run.site
    const tenth = run.firstOrigins(0.1).length
    const origins = run.firstOrigins(0.3)
    await ledger.behave({ kind: 'hang' }, origins.slice(0, tenth))
    await ledger.behave({ kind: 'refuse' }, origins.slice(tenth, 2 * tenth))
    await ledger.behave({ kind: 'answer', status: 503 }, origins.slice(2 * tenth))
    await relays.start(2)
    const illMs = run.pick({ long: 30_000, short: 3_000 })
    const recover = async () => {
      await delay(illMs)
      run.say('all are well')
      await ledger.behave({ kind: 'answer', status: 200 })
    }
    await Promise.all([run.publish({ perSecond: (run.sessions.length / illMs) * 1_000 }), recover()])
  },
}
