import { setTimeout } from 'node:timers/promises'
import { monotonicMs } from '../support/ledger/monotonic-clock.ts'
import { readMetric } from '../support/relay-metrics.ts'
import type { BenchContext } from './bench-context.ts'
import { checkDeliveries, type DeliveryCheck } from './delivery-check.ts'
import { loadByTopic } from './load.ts'
import { type Program, startProgram } from './program.ts'
import type { BenchAlgorithm } from './signing-keys.ts'
import { mean, percentile } from './statistics.ts'
import { WARM_UP_SESSIONS } from './throughput.ts'
import { trickle } from './trickle.ts'
import { deliveriesOf, makeSessions, seedRegistrations } from './workload.ts'

const TRIGGERS_PER_SECOND = 200
const MINUTE_MS = 60_000
/** Until then caches fill and code is compiled. */
export const SETTLED_MINUTE = 3
const SAMPLE_EVERY_MS = 2_000
const ARRIVAL_TIMEOUT_MS = 60_000

export interface SteadyRun extends DeliveryCheck {
  readonly algorithm: BenchAlgorithm
  /** One after another, from the first trigger on. */
  readonly minutes: readonly SteadyMinute[]
}

export interface SteadyMinute {
  /** The mean of the samples; so are the two below. */
  readonly rssMb: number
  /** Deliveries that the relay holds in memory. */
  readonly unsettled: number
  /** Records between the settled offsets and the ends of the partitions. */
  readonly lag: number
  /** From the trigger to the POST, of the triggers of this minute. */
  readonly p50Ms: number
  readonly p99Ms: number
}

/** The same load for minutes: what grows, piles up or slows down in the end. */
export async function measureSteady(
  context: BenchContext,
  algorithm: BenchAlgorithm,
  minutes: number,
): Promise<SteadyRun> {
  await using run = await context.openRun({ ownRedis: true })
  const { kafka, ledger, place } = run
  const warmUp = makeSessions(WARM_UP_SESSIONS, ledger.relyingParties)
  const sessions = makeSessions((TRIGGERS_PER_SECOND * minutes * MINUTE_MS) / 1_000, ledger.relyingParties)
  await seedRegistrations(run.redis, place.redisPrefix, [...warmUp, ...sessions], algorithm)
  await using program = startProgram('relay', place)
  await loadByTopic(run, program).warmUp(warmUp)
  await ledger.reset()
  const count = (await kafka.recordCount(place.topic)) + sessions.length + deliveriesOf(sessions)
  const startMs = monotonicMs()
  const finished = new AbortController()
  const sampling = sample(program, finished.signal)
  const triggering = trickle(run, sessions, TRIGGERS_PER_SECOND).finally(() => finished.abort())
  const [triggeredMs, samples] = await program.whileRunning(Promise.all([triggering, sampling]))
  await program.whileRunning(kafka.waitForRecordCount(place.topic, count, ARRIVAL_TIMEOUT_MS))
  await program.stop()

  const minuteOf = (ms: number) => Math.floor((ms - startMs) / MINUTE_MS)
  const latencies = Array.from({ length: minutes }, (): number[] => [])
  for (const { sessionId, firstArrivalMs } of await ledger.arrivals()) {
    const sinceMs = triggeredMs.get(sessionId) ?? Number.NaN
    // The last triggers may be a little late.
    latencies[Math.min(minuteOf(sinceMs), minutes - 1)]?.push(firstArrivalMs - sinceMs)
  }
  return {
    algorithm,
    minutes: latencies.map((values, minute) => {
      const mine = samples.filter(({ atMs }) => minuteOf(atMs) === minute)
      return {
        rssMb: mean(mine.map(({ rssMb }) => rssMb)),
        unsettled: mean(mine.map(({ unsettled }) => unsettled)),
        lag: mean(mine.map(({ lag }) => lag)),
        p50Ms: percentile(values, 50),
        p99Ms: percentile(values, 99),
      }
    }),
    ...(await checkDeliveries(run, sessions, warmUp)),
  }
}

interface Sample {
  readonly atMs: number
  readonly rssMb: number
  readonly unsettled: number
  readonly lag: number
}

async function sample(program: Program, finished: AbortSignal): Promise<Sample[]> {
  const relay = { url: await program.url() }
  const samples: Sample[] = []
  while (!finished.aborted) {
    samples.push({
      atMs: monotonicMs(),
      rssMb: program.rssMb(),
      unsettled: await readMetric(relay, 'deliveries_unsettled'),
      lag: await readMetric(relay, 'consumer_lag_records'),
    })
    await setTimeout(SAMPLE_EVERY_MS)
  }
  return samples
}
