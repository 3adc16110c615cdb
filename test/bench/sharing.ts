import type { Ledger } from '../support/ledger/ledger.ts'
import { startLedger } from '../support/ledger/ledger.ts'
import { monotonicMs } from '../support/ledger/monotonic-clock.ts'
import type { Behaviour, RelyingParty } from '../support/ledger/protocol.ts'
import { NameServer } from '../support/name-server.ts'
import type { BenchContext, BenchRun } from './bench-context.ts'
import { loadByTopic, preload } from './load.ts'
import { pollUntil } from './poll.ts'
import { startProgram } from './program.ts'
import type { BenchAlgorithm } from './signing-keys.ts'
import { percentile } from './statistics.ts'
import { WARM_UP_SESSIONS } from './throughput.ts'
import { latenciesMs, trickle } from './trickle.ts'
import { type BenchSession, deliveriesOf, ISSUER, makeSessions, seedRegistrations } from './workload.ts'

interface Sharing {
  readonly name: string
  /** RPs that are well, each at an origin of its own, and logouts for each. */
  readonly well: { readonly rps: number; readonly logouts: number }
  readonly ill: {
    readonly origins: number
    readonly clientsPerOrigin: number
    readonly logouts: number
    /** Of their origins; or they have names, and the name server never answers. */
    readonly behaviour: Behaviour | typeof nameless
    /** They were well before. */
    readonly wereWell: boolean
  }
}

const quick: Sharing['well'] = { rps: 12, logouts: 100 }
const answersAfter = (delayMs: number): Behaviour => ({ kind: 'answer', status: 200, delayMs })
const hang: Behaviour = { kind: 'hang' }
const nameless = 'nameless'

const sharings: readonly Sharing[] = [
  {
    name: '500 of 1,000 RPs hang at once',
    well: { rps: 500, logouts: 4 },
    ill: { origins: 500, clientsPerOrigin: 1, logouts: 4, behaviour: hang, wereWell: true },
  },
  {
    name: '500 of 1,000 RPs have never answered',
    well: { rps: 500, logouts: 4 },
    ill: { origins: 500, clientsPerOrigin: 1, logouts: 4, behaviour: hang, wereWell: false },
  },
  {
    name: '12 RPs answer after 2 s',
    well: quick,
    ill: { origins: 12, clientsPerOrigin: 1, logouts: 400, behaviour: answersAfter(2_000), wereWell: false },
  },
  {
    name: '200 RPs answer after 0.5 s',
    well: quick,
    ill: { origins: 200, clientsPerOrigin: 1, logouts: 24, behaviour: answersAfter(500), wereWell: true },
  },
  {
    name: '40 RPs answer after 9 s',
    well: quick,
    ill: { origins: 40, clientsPerOrigin: 1, logouts: 20, behaviour: answersAfter(9_000), wereWell: false },
  },
  {
    name: 'an origin of 2,000 clients hangs',
    well: quick,
    ill: { origins: 1, clientsPerOrigin: 2_000, logouts: 2, behaviour: hang, wereWell: true },
  },
  {
    name: 'the name server of 40 RPs never answers',
    well: quick,
    ill: { origins: 40, clientsPerOrigin: 1, logouts: 20, behaviour: nameless, wereWell: false },
  },
]

export interface SharingRun {
  readonly name: string
  /** From the first trigger that could be taken until all RPs that are well were told. */
  readonly aloneSeconds: number
  /** The same beside logouts for the others, which are well too. */
  readonly faultFreeSeconds: number
  readonly seconds: number
  /** From the trigger to the POST, at RPs that are well, at a trickle to all of them after that. */
  readonly faultFreeP99Ms: number
  readonly p99Ms: number
  /** Until all of those that were not well were told, from when they were again. */
  readonly recoveredAfterSeconds: number
  readonly duplicates: number
}

/** Sessions at RPs that are well, and as many at the others. */
const TRICKLED = 250
const TRICKLED_PER_SECOND = 100
const TOLD_POLL_MS = 20
const TOLD_TIMEOUT_MS = 180_000
const RECOVERY_TIMEOUT_MS = 300_000

/** What RPs that are well notice of those that take long or do not answer, in a mass logout at all of them. */
export async function measureSharing(
  context: BenchContext,
  algorithm: BenchAlgorithm,
  onRun: (run: SharingRun) => void,
): Promise<SharingRun[]> {
  const runs: SharingRun[] = []
  for (const sharing of sharings) {
    const { well, ill, name } = sharing
    await using ledger = await startLedger({
      origins: well.rps + ill.origins,
      verify: 'none',
      issuer: ISSUER,
    })
    const alone = await runBeside(context, ledger, algorithm, sharing, 'nothing')
    const faultFree = await runBeside(context, ledger, algorithm, sharing, 'well')
    const beside = await runBeside(context, ledger, algorithm, sharing, 'ill')
    const run = {
      name,
      aloneSeconds: alone.seconds,
      faultFreeSeconds: faultFree.seconds,
      faultFreeP99Ms: faultFree.p99Ms,
      ...beside,
    }
    runs.push(run)
    onRun(run)
  }
  return runs
}

async function runBeside(
  context: BenchContext,
  ledger: Ledger,
  algorithm: BenchAlgorithm,
  { well, ill }: Sharing,
  others: 'nothing' | 'well' | 'ill',
): Promise<Pick<SharingRun, 'seconds' | 'p99Ms' | 'recoveredAfterSeconds' | 'duplicates'>> {
  await using opened = await context.openRun()
  let isNameServerDead = false
  const nameServer = await NameServer.listen(() =>
    isNameServerDead ? undefined : { addresses: ['127.0.0.1'], ttl: 1 },
  )
  await using starting = new AsyncDisposableStack()
  starting.defer(async () => nameServer.close())
  const run: BenchRun = {
    ...opened,
    ledger,
    place: { ...opened.place, nameServer: nameServer.address },
    [Symbol.asyncDispose]: async () => undefined,
  }
  const { place, redis } = run
  const wellRps = ledger.relyingParties.slice(0, well.rps)
  const illRps = ledger.relyingParties
    .slice(well.rps)
    .map((rp) => (ill.behaviour === nameless ? named(rp) : rp))
    .flatMap((rp) => clientsAt(rp, ill.clientsPerOrigin))
  const illOrigins = ledger.relyingParties.slice(well.rps).map(({ origin }) => origin)
  const wellSessions = makeSessions(well.rps * well.logouts, wellRps, 1)
  const illSessions = others === 'nothing' ? [] : makeSessions(illRps.length * ill.logouts, illRps, 1)
  const trickled = interleaved(
    makeSessions(TRICKLED, wellRps, 1),
    others === 'nothing' ? [] : makeSessions(TRICKLED, illRps, 1),
  )
  const warmUp = [
    ...makeSessions(WARM_UP_SESSIONS, wellRps, 1),
    ...(others !== 'nothing' && ill.wereWell ? makeSessions(illRps.length * 2, illRps, 1) : []),
  ]
  await seedRegistrations(
    redis,
    place.redisPrefix,
    [...warmUp, ...wellSessions, ...illSessions, ...trickled],
    algorithm,
  )
  await using program = startProgram('relay', place)
  await loadByTopic(run, program).warmUp(warmUp)
  await ledger.reset()
  await using behaviour = new AsyncDisposableStack()
  behaviour.defer(async () => {
    isNameServerDead = false
    await ledger.behave({ kind: 'answer', status: 200 })
  })
  if (others === 'ill') {
    if (ill.behaviour === nameless) isNameServerDead = true
    else await ledger.behave(ill.behaviour, illOrigins)
  }
  await preload(run, program, interleaved(wellSessions, illSessions))
  const startedMs = monotonicMs()
  program.resume()
  const wellOrigins = new Set(wellRps.map(({ origin }) => origin))
  await program.whileRunning(ledgerHas(ledger, wellOrigins, wellSessions.length))
  const wellIds = new Set(wellRps.map(({ clientId }) => clientId))
  const arrivals = async () => (await ledger.arrivals()).filter(({ clientId }) => wellIds.has(clientId))
  const lastMs = (await arrivals()).reduce((last, { firstArrivalMs }) => Math.max(last, firstArrivalMs), 0)
  const triggeredMs = await program.whileRunning(trickle(run, trickled, TRICKLED_PER_SECOND))
  await program.whileRunning(ledgerHas(ledger, wellOrigins, wellSessions.length + TRICKLED))
  const latencies = latenciesMs(
    (await arrivals()).filter(({ sessionId }) => triggeredMs.has(sessionId)),
    triggeredMs,
  )
  const recoversMs = monotonicMs()
  await behaviour.disposeAsync()
  const distinctMin = deliveriesOf(wellSessions) + deliveriesOf(illSessions) + deliveriesOf(trickled)
  const { lastArrivalMs, duplicates } = await program.whileRunning(
    ledger.waitFor({ distinctMin }, RECOVERY_TIMEOUT_MS),
  )
  await program.stop()
  return {
    seconds: (lastMs - startedMs) / 1_000,
    p99Ms: percentile(latencies, 99),
    recoveredAfterSeconds: Math.max(lastArrivalMs - recoversMs, 0) / 1_000,
    duplicates,
  }
}

async function ledgerHas(ledger: Ledger, origins: ReadonlySet<number>, count: number): Promise<void> {
  await pollUntil(
    async () => {
      const { perOrigin } = await ledger.summary()
      return perOrigin.reduce((sum, it, origin) => sum + (origins.has(origin) ? it.accepted : 0), 0) >= count
    },
    TOLD_POLL_MS,
    TOLD_TIMEOUT_MS,
    'the RPs that are well',
  )
}

/** Under a name of its own, in place of its address. */
function named(rp: RelyingParty): RelyingParty {
  const uri = new URL(rp.backchannelLogoutUri)
  uri.hostname = `rp-${rp.origin}.test`
  return { ...rp, backchannelLogoutUri: uri.href }
}

function clientsAt(rp: RelyingParty, count: number): RelyingParty[] {
  if (count === 1) return [rp]
  return Array.from({ length: count }, (_, n) => ({ ...rp, clientId: `${rp.clientId}.${n}` }))
}

/** Spread over one another evenly. */
function interleaved(some: readonly BenchSession[], others: readonly BenchSession[]): BenchSession[] {
  const placed = [some, others].flatMap((list) =>
    list.map((session, i) => ({ session, at: (i + 0.5) / list.length })),
  )
  return placed.sort((a, b) => a.at - b.at).map(({ session }) => session)
}
