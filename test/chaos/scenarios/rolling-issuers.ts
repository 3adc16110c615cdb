import { delay } from '../../../src/lib/deferred.ts'
import type { ChaosRun } from '../chaos-run.ts'
import { SHORT_MEMBERSHIP } from '../form-settings.ts'
import type { IssuerFiles, IssuersVersion } from '../issuer-files.ts'
import { holdsWithin } from '../poll.ts'
import type { Scenario } from '../scenario.ts'
import { REGISTRATIONS_PER_SESSION, TENANT, WITHOUT_TENANT } from '../workload.ts'

/** Nobody listens there. */
const NOWHERE = 'http://127.0.0.1:1/moved'
const TAKEN_MS_MAX = 30_000
/** Longer than a relay with a broken file takes to refuse it. */
const BROKEN_MS = 300
/** Of the issuer that stays some sessions live on: a Redis with those of others alone would be taken for another's. */
const ENDED = WITHOUT_TENANT - 0.05
const KEYS: readonly IssuersVersion['keys'][] = [['old'], ['new', 'old'], ['new'], ['old', 'new']]

export const rollingIssuers: Scenario = {
  name: 'rolling-issuers-lose-nothing',
  fault:
    'the issuers files of three replicas change one after the other under load: a tenant goes and comes, an RP moves, keys rotate; replicas are killed',
  deliveries: { long: 50_000, short: 2_000 },
  scenery: { hasIssuerFiles: true, env: { short: SHORT_MEMBERSHIP } },
  async run(run) {
    const { issuerFiles, relays } = run.site
    if (issuerFiles === undefined) throw new Error('there are no issuers files')
    await relays.start(3)
    const seconds = run.pick({ long: 90, short: 6 })
    const perSecond = (run.sessions.length * ENDED) / seconds
    await Promise.all([
      run.publish({ perSecond, to: ENDED }),
      change(run, issuerFiles, run.pick({ long: 12, short: 1 })),
    ])
  },
}

/** In each round the tenant goes while logouts of it are parked, and comes back; nothing of it is written meanwhile. */
async function change(run: ChaosRun, files: IssuerFiles, rounds: number): Promise<void> {
  const { ledger, relays } = run.site
  const [moving] = ledger.relyingParties
  const tenants = ledger.relyingParties.slice(-REGISTRATIONS_PER_SESSION).map(({ origin }) => origin)
  const clientsAt = (uri = NOWHERE) => [{ clientId: moving?.clientId ?? '', backchannelLogoutUri: uri }]
  const share = (1 - WITHOUT_TENANT) / rounds
  for (let round = 0; round < rounds; round++) {
    const keys = (i: number) => KEYS[(2 * round + i) % KEYS.length] ?? ['old']
    await ledger.behave({ kind: 'answer', status: 503 }, tenants)
    const from = WITHOUT_TENANT + round * share
    await run.publish({ from, to: from + share })
    await parked(run, from + share)
    run.say(`round ${round + 1}: the tenant goes, an RP moves away`)
    await roll(run, files, { hasTenant: false, keys: keys(0), clients: clientsAt() })
    const before = await attemptsAt(run, tenants)
    await ledger.behave({ kind: 'answer', status: 200 }, tenants)
    await run.killRelay(run.random.pick(relays.running))
    // One that reads half of a file when it starts would end, and should.
    await relays.start(1)
    await parked(run, from + share)
    const attempts = (await attemptsAt(run, tenants)) - before
    if (attempts > 0) run.problems.push(`${attempts} attempts for an issuer that no relay serves`)
    run.say('the tenant comes back, and so does the RP')
    const back = { hasTenant: true, keys: keys(1), clients: clientsAt(moving?.backchannelLogoutUri) }
    await roll(run, files, back)
  }
}

/** One replica after the other, as an orchestrator does it; each saves half of the file first. */
async function roll({ site: { relays } }: ChaosRun, files: IssuerFiles, version: IssuersVersion) {
  const mark = files.next(version)
  for (const relay of relays.running) {
    const number = relays.numberOf(relay)
    await files.break(number)
    await delay(BROKEN_MS)
    await files.write(number)
    const isTaken = async () => (await (await fetch(`${relay.url}/jwks.json`)).text()).includes(mark)
    if (!(await holdsWithin(isTaken, TAKEN_MS_MAX))) throw new Error(`${mark} was not taken by a relay`)
  }
}

/** Resolves when every logout of the tenant that was published is parked, up to that part of all sessions. */
async function parked({ sessions, settings, site }: ChaosRun, to: number): Promise<void> {
  const [first, last] = [WITHOUT_TENANT, to].map((share) => Math.round(share * sessions.length))
  const clients = site.ledger.relyingParties.slice(-REGISTRATIONS_PER_SESSION)
  const ledger = await site.ledger.arrivals()
  const published = sessions.slice(first, last)
  const told = new Set(
    ledger.filter(({ accepted }) => accepted > 0).map((it) => `${it.sessionId} ${it.clientId}`),
  )
  const owed = published.flatMap(({ sessionId }) =>
    clients.filter(({ clientId }) => !told.has(`${sessionId} ${clientId}`)),
  ).length
  const areParked = async () => {
    const keys = clients.map(({ clientId }) => `${site.name}:backlog:{${TENANT}|${clientId}}`)
    const sizes = await Promise.all(keys.map((key) => site.redis.zcard(key)))
    return sizes.reduce((sum, size) => sum + size, 0) >= owed
  }
  if (!(await holdsWithin(areParked, settings.settleMs)))
    throw new Error('the logouts of the tenant are not parked')
}

async function attemptsAt({ site }: ChaosRun, origins: readonly number[]): Promise<number> {
  const { perOrigin } = await site.ledger.summary()
  return origins.reduce((sum, origin) => sum + (perOrigin[origin]?.attempts ?? 0), 0)
}
