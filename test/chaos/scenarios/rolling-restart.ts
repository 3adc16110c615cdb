import type { RelayProcess } from '../../support/relay-process.ts'
import type { ChaosRun } from '../chaos-run.ts'
import type { Scenario } from '../scenario.ts'

export const rollingRestart: Scenario = {
  name: 'rolling-restart-repeats-nothing',
  fault: 'SIGTERM rolling restart of three replicas, again and again under constant load',
  deliveries: { long: 50_000, short: 2_000 },
  async run(run) {
    await run.site.relays.start(3)
    const perSecond = run.sessions.length / run.pick({ long: 90, short: 8 })
    let isLoaded = true
    const load = run.publish({ perSecond }).finally(() => {
      isLoaded = false
    })
    await Promise.all([load, restart(run, () => isLoaded)])
  },
}

/** As an orchestrator does it: the next one only when the new one is ready. */
async function restart({ say, site: { relays } }: ChaosRun, goesOn: () => boolean): Promise<void> {
  while (goesOn()) {
    say('the oldest is replaced')
    await relays.stop(relays.running[0] as RelayProcess)
    await relays.start(1)
  }
}
