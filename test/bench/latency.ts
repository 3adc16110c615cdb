import type { BenchContext } from './bench-context.ts'
import { checkDeliveries, type DeliveryCheck } from './delivery-check.ts'
import { loadByTopic } from './load.ts'
import { type ProgramName, startProgram } from './program.ts'
import type { BenchAlgorithm } from './signing-keys.ts'
import { percentile } from './statistics.ts'
import { WARM_UP_SESSIONS } from './throughput.ts'
import { latenciesMs, trickle } from './trickle.ts'
import { deliveriesOf, makeSessions, seedRegistrations } from './workload.ts'

export const TRIGGERS_PER_SECOND = 50
const ARRIVAL_TIMEOUT_MS = 60_000

export interface LatencyRun extends DeliveryCheck {
  readonly program: ProgramName
  readonly algorithm: BenchAlgorithm
  /** From the moment before the trigger is handed to a Kafka producer to the arrival of each POST. */
  readonly p50Ms: number
  readonly p99Ms: number
}

/** A steady trickle of triggers: how long until the RP hears. */
export async function measureLatency(
  context: BenchContext,
  name: ProgramName,
  algorithm: BenchAlgorithm,
  durationSeconds: number,
): Promise<LatencyRun> {
  await using run = await context.openRun()
  const { kafka, ledger, place } = run
  const warmUp = makeSessions(WARM_UP_SESSIONS, ledger.relyingParties)
  const sessions = makeSessions(TRIGGERS_PER_SECOND * durationSeconds, ledger.relyingParties)
  await seedRegistrations(run.redis, place.redisPrefix, [...warmUp, ...sessions], algorithm)
  await using program = startProgram(name, place)
  await loadByTopic(run, program).warmUp(warmUp)
  await ledger.reset()
  const count = (await kafka.recordCount(place.topic)) + sessions.length + deliveriesOf(sessions)
  const triggeredMs = await program.whileRunning(trickle(run, sessions, TRIGGERS_PER_SECOND))
  await program.whileRunning(kafka.waitForRecordCount(place.topic, count, ARRIVAL_TIMEOUT_MS))
  await program.stop()
  const latencies = latenciesMs(await ledger.arrivals(), triggeredMs)
  return {
    program: name,
    algorithm,
    p50Ms: percentile(latencies, 50),
    p99Ms: percentile(latencies, 99),
    ...(await checkDeliveries(run, sessions, warmUp)),
  }
}
