import { monotonicMs } from '../support/ledger/monotonic-clock.ts'
import type { Arrival } from '../support/ledger/protocol.ts'
import type { BenchContext, BenchRun } from './bench-context.ts'
import { checkDeliveries, type DeliveryCheck } from './delivery-check.ts'
import { totalOf } from './figures.ts'
import { TRIGGERS_PER_SECOND } from './latency.ts'
import { loadByTopic, preload } from './load.ts'
import { pollUntil } from './poll.ts'
import { type Program, startProgram } from './program.ts'
import type { BenchAlgorithm } from './signing-keys.ts'
import { percentile } from './statistics.ts'
import { WARM_UP_SESSIONS } from './throughput.ts'
import { latenciesMs, trickle } from './trickle.ts'
import { type BenchSession, deliveriesOf, makeSessions, seedRegistrations } from './workload.ts'

/** One origin in ten. */
const HANGING_EVERY = 10
/** More work than a throughput run has: what waits for hung RPs first time out after ten seconds. */
const SESSIONS_FACTOR = 3
const HEALTHY_POLL_MS = 20
const HEALTHY_TIMEOUT_MS = 180_000
/** Cool-downs and retry delays have grown meanwhile. */
const RECOVERY_TIMEOUT_MS = 300_000

export interface IsolationRun extends DeliveryCheck {
  readonly algorithm: BenchAlgorithm
  readonly origins: number
  /** Origins that accept requests and never answer; 0 in the fault-free run. */
  readonly hanging: number
  /** Deliveries to the others, from the first trigger that could be taken to the last arrival at one of them. */
  readonly healthyPerSecond: number
  /** From the trigger to the POST, at the others, at a steady trickle. */
  readonly healthyP50Ms: number
  readonly healthyP99Ms: number
  /** From when the hanging origins answer again until everything owed to them has arrived; the longer of two. */
  readonly recoveredAfterSeconds: number
}

/**
 * What hanging RPs cost the others. Every trigger is owed to five RPs, so nearly half of the triggers concern a
 * hanging one. Load and trickle have a process each, so that both meet the hanging RPs for the first time.
 */
export async function measureIsolation(
  context: BenchContext,
  algorithm: BenchAlgorithm,
  isHanging: boolean,
  { sessions, latencySeconds }: { readonly sessions: number; readonly latencySeconds: number },
): Promise<IsolationRun> {
  const loaded = await runBeside(context, algorithm, isHanging, sessions * SESSIONS_FACTOR, load)
  const trickled = await runBeside(
    context,
    algorithm,
    isHanging,
    latencySeconds * TRIGGERS_PER_SECOND,
    (run, program, owed) => program.whileRunning(trickle(run, owed, TRIGGERS_PER_SECOND)),
  )
  const seconds = (lastOf(loaded.healthy) - loaded.result) / 1_000
  const latencies = latenciesMs(trickled.healthy, trickled.result)
  return {
    algorithm,
    origins: context.ledger.relyingParties.length,
    hanging: isHanging ? hangingOrigins(context).length : 0,
    healthyPerSecond: loaded.healthy.length / seconds,
    healthyP50Ms: percentile(latencies, 50),
    healthyP99Ms: percentile(latencies, 99),
    recoveredAfterSeconds: Math.max(loaded.recoveredAfterSeconds, trickled.recoveredAfterSeconds),
    ...totalOf([loaded.check, trickled.check]),
  }
}

interface Besides<T> {
  readonly result: T
  /** Arrivals at the RPs that answer, in the fault-free run at the same ones. */
  readonly healthy: readonly Arrival[]
  readonly recoveredAfterSeconds: number
  readonly check: DeliveryCheck
}

async function runBeside<T>(
  context: BenchContext,
  algorithm: BenchAlgorithm,
  isHanging: boolean,
  sessionCount: number,
  work: (run: BenchRun, program: Program, sessions: readonly BenchSession[]) => Promise<T>,
): Promise<Besides<T>> {
  await using run = await context.openRun()
  const { ledger, place } = run
  const hanging = hangingOrigins(context)
  const warmUp = makeSessions(WARM_UP_SESSIONS, ledger.relyingParties)
  const sessions = makeSessions(sessionCount, ledger.relyingParties)
  await seedRegistrations(run.redis, place.redisPrefix, [...warmUp, ...sessions], algorithm)
  await using program = startProgram('relay', place)
  await loadByTopic(run, program).warmUp(warmUp)
  await ledger.reset()
  // The origins outlive this run, so they answer again whatever becomes of it.
  await using behaviour = new AsyncDisposableStack()
  behaviour.defer(async () => ledger.behave({ kind: 'answer', status: 200 }))
  if (isHanging) await ledger.behave({ kind: 'hang' }, hanging)
  const result = await work(run, program, sessions)
  const isHealthy = (origin: number) => !hanging.includes(origin)
  const healthyCount = sessions
    .flatMap(({ relyingParties }) => relyingParties)
    .filter(({ origin }) => isHealthy(origin)).length
  const allHealthy = pollUntil(
    async () => {
      const { perOrigin } = await ledger.summary()
      const accepted = perOrigin.map((counts, origin) => (isHealthy(origin) ? counts.accepted : 0))
      return accepted.reduce((sum, count) => sum + count, 0) >= healthyCount
    },
    HEALTHY_POLL_MS,
    HEALTHY_TIMEOUT_MS,
    'the deliveries to healthy RPs',
  )
  await program.whileRunning(allHealthy)
  const healthyIds = new Set(
    ledger.relyingParties.filter(({ origin }) => isHealthy(origin)).map(({ clientId }) => clientId),
  )
  const healthy = (await ledger.arrivals()).filter(({ clientId }) => healthyIds.has(clientId))
  const recoversMs = monotonicMs()
  await behaviour.disposeAsync()
  const everything = ledger.waitFor({ distinctMin: deliveriesOf(sessions) }, RECOVERY_TIMEOUT_MS)
  const { lastArrivalMs } = await program.whileRunning(everything)
  // A clean stop publishes the outcomes that were still on their way when the last POST arrived.
  await program.stop()
  return {
    result,
    healthy,
    recoveredAfterSeconds: Math.max(lastArrivalMs - recoversMs, 0) / 1_000,
    check: await checkDeliveries(run, sessions, warmUp),
  }
}

/** All triggers at once; resolves with the `monotonicMs` of the start. */
async function load(run: BenchRun, program: Program, sessions: readonly BenchSession[]): Promise<number> {
  await preload(run, program, sessions)
  const startedMs = monotonicMs()
  program.resume()
  return startedMs
}

function hangingOrigins({ ledger }: BenchContext): number[] {
  return ledger.relyingParties.map(({ origin }) => origin).filter((origin) => origin % HANGING_EVERY === 0)
}

function lastOf(arrivals: readonly Arrival[]): number {
  return arrivals.reduce((last, { firstArrivalMs }) => Math.max(last, firstArrivalMs), 0)
}
