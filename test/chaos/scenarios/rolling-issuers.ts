import { delay } from '../../../src/lib/deferred.ts'
import { replaceFile } from '../../support/signing-key-file.ts'
import type { ChaosRun } from '../chaos-run.ts'
import type { Scenario } from '../scenario.ts'
import { ISSUER } from '../workload.ts'

export const rollingIssuers: Scenario = {
  name: 'rolling-issuers-lose-nothing',
  fault:
    'the issuers file of three replicas changes again and again under constant load, and is broken now and then',
  deliveries: { long: 50_000, short: 2_000 },
  scenery: { hasIssuersFile: true },
  async run(run) {
    await run.site.relays.start(3)
    const perSecond = run.sessions.length / run.pick({ long: 90, short: 8 })
    let isLoaded = true
    const load = run.publish({ perSecond }).finally(() => {
      isLoaded = false
    })
    await Promise.all([load, change(run, () => isLoaded)])
  },
}

/** The issuer of the load stays, with other settings each time; others come and go beside it. */
async function change({ say, site: { issuersFile } }: ChaosRun, goesOn: () => boolean): Promise<void> {
  for (let version = 1; goesOn(); version++) {
    say(`version ${version} of the issuers file`)
    const own = {
      issuer: ISSUER,
      keys: { file: 'keys.json' },
      aliases: [`realm-${version}`],
      retry: { deadline: '1h' },
    }
    const other = {
      issuer: `https://tenant-${version}.example`,
      keys: { file: 'nowhere.json' },
      enabled: false,
    }
    const pattern = { issuer: 'https://{tenant}.login.example', keys: { file: '{tenant}.jwks' } }
    const issuers = version % 2 === 0 ? [other, own, pattern] : [own]
    await replaceFile(issuersFile, version % 3 === 0 ? '{"issuers": [' : JSON.stringify({ issuers }))
    await delay(700)
  }
}
