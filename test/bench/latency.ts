import { setTimeout } from 'node:timers/promises'
import { monotonicMs } from '../support/ledger/monotonic-clock.ts'
import type { BenchContext, BenchRun } from './bench-context.ts'
import { checkDeliveries, type DeliveryCheck } from './delivery-check.ts'
import { loadByTopic } from './load.ts'
import { type ProgramName, startProgram } from './program.ts'
import type { BenchAlgorithm } from './signing-keys.ts'
import { percentile } from './statistics.ts'
import { WARM_UP_SESSIONS } from './throughput.ts'
import {
  type BenchSession,
  makeSessions,
  REGISTRATIONS_PER_SESSION,
  seedRegistrations,
  trigger,
} from './workload.ts'

const TRIGGERS_PER_SECOND = 50
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
  const outcomes = sessions.length * REGISTRATIONS_PER_SESSION
  const count = (await kafka.recordCount(place.topic)) + sessions.length + outcomes
  const triggeredMs = await program.whileRunning(trickle(run, sessions))
  await program.whileRunning(kafka.waitForRecordCount(place.topic, count, ARRIVAL_TIMEOUT_MS))
  await program.stop()
  const latenciesMs = (await ledger.arrivals()).map(
    ({ sessionId, firstArrivalMs }) => firstArrivalMs - (triggeredMs.get(sessionId) ?? Number.NaN),
  )
  return {
    program: name,
    algorithm,
    p50Ms: percentile(latenciesMs, 50),
    p99Ms: percentile(latenciesMs, 99),
    ...(await checkDeliveries(run, sessions, warmUp)),
  }
}

/** Sends each trigger at its own instant, whether or not those before it are acknowledged. */
async function trickle(
  { kafka, place }: BenchRun,
  sessions: readonly BenchSession[],
): Promise<Map<string, number>> {
  const triggeredMs = new Map<string, number>()
  const acknowledged: Promise<void>[] = []
  const startMs = monotonicMs()
  for (const [index, session] of sessions.entries()) {
    const dueMs = startMs + (index * 1_000) / TRIGGERS_PER_SECOND
    await setTimeout(Math.max(0, dueMs - monotonicMs()))
    const message = trigger(session)
    triggeredMs.set(session.sessionId, monotonicMs())
    acknowledged.push(kafka.produceOne(place.topic, message))
  }
  await Promise.all(acknowledged)
  return triggeredMs
}
