import { setTimeout as delay } from 'node:timers/promises'
import { Redis } from 'ioredis'
import type { ChaosRun } from '../chaos-run.ts'
import { holdsWithin } from '../poll.ts'
import type { Scenario } from '../scenario.ts'

const RELAYS = 3
const IN_SYNC_MS_MAX = 30_000

/** Nobody may act on what the replica says before it has what it lacks, and three relays notice at three times. */
export const laggingReplica: Scenario = {
  name: 'lagging-replica-loses-nothing',
  fault: 'the endpoint of Redis moves to a replica that lacks half of the logins, while users log out',
  deliveries: { long: 20_000, short: 2_000 },
  scenery: { registrations: 'by-scenario', redisReplica: true },
  async run(run) {
    const { endpoint, relays, replica } = run.site
    if (endpoint === undefined || replica === undefined) throw new Error('there is no replica')
    await relays.start(RELAYS)
    await run.logIn({ to: 0.5 })
    await run.caughtUp()
    await lagFromNowOn(run, replica.url)
    await run.logIn({ from: 0.5 })
    await run.caughtUp()
    const seconds = run.pick({ long: 15, short: 3 })
    const move = async () => {
      // In the middle of those that the replica lacks.
      await delay(seconds * 750)
      run.allowInFlight(RELAYS)
      run.say('the endpoint moves to the replica')
      endpoint.moveTo(replica.url)
    }
    await Promise.all([run.publish({ perSecond: run.sessions.length / seconds }), move()])
  },
}

async function lagFromNowOn({ say, site }: ChaosRun, url: string): Promise<void> {
  const replica = new Redis(url)
  try {
    await replica.replicaof('127.0.0.1', new URL(site.redisServer.url).port)
    const isInSync = async () => (await replica.info('replication')).includes('master_link_status:up')
    if (!(await holdsWithin(isInSync, IN_SYNC_MS_MAX))) throw new Error('the replica did not follow')
    await replica.replicaof('NO', 'ONE')
    say('from here on the replica lags')
  } finally {
    replica.disconnect()
  }
}
