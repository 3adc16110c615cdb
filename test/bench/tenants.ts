import { setTimeout } from 'node:timers/promises'
import { type Ledger, startLedger } from '../support/ledger/ledger.ts'
import { monotonicMs } from '../support/ledger/monotonic-clock.ts'
import type { BenchContext, BenchRun } from './bench-context.ts'
import { TRIGGERS_PER_SECOND } from './latency.ts'
import { loadByTopic, preload } from './load.ts'
import { pollUntil } from './poll.ts'
import { type Program, startProgram } from './program.ts'
import type { BenchAlgorithm } from './signing-keys.ts'
import { percentile } from './statistics.ts'
import { writeIssuers } from './thousand-issuers.ts'
import { WARM_UP_SESSIONS } from './throughput.ts'
import { latenciesMs, trickle } from './trickle.ts'
import {
  type BenchSession,
  deliveriesOf,
  ISSUER,
  makeSessions,
  seedRegistrations,
  trigger,
} from './workload.ts'

const OTHER_ISSUER = 'https://login.other.example'
const ORIGINS = 43
/** The first origins are those of the other tenant. */
const OTHER_RPS = 3
const CLIENTS_PER_ORIGIN = 50
/** More than a throughput run has: a hundred thousand deliveries. */
const SESSIONS_FACTOR = 5
/** More than the relay sends, so that there is a backlog to keep from the other; and no more than intake reads. */
const PACE = 1.5
const TICK_MS = 50
const POLL_MS = 20
const TIMEOUT_MS = 300_000

export interface TenantsRun {
  /** Deliveries of the mass logout. */
  readonly owed: number
  /** From the trigger to the POST, at the other tenant, while nobody else has anything to send. */
  readonly aloneP50Ms: number
  readonly aloneP99Ms: number
  /** The same during the mass logout. */
  readonly p50Ms: number
  readonly p99Ms: number
  /** Until a trigger of the other is sent that stands on the topic behind all those of the mass logout. */
  readonly behindSeconds: number
  /** Until the mass logout is sent, with the other beside it and without. */
  readonly seconds: number
  readonly aloneSeconds: number
  readonly duplicates: number
}

/** What a tenant with three RPs notices of one with two thousand, all of them well, that logs out everybody. */
export async function measureTenants(
  context: BenchContext,
  algorithm: BenchAlgorithm,
  { latencySeconds, sessions }: { readonly latencySeconds: number; readonly sessions: number },
): Promise<TenantsRun> {
  await using ledger = await startLedger({ origins: ORIGINS, verify: 'none' })
  const others = ledger.relyingParties.slice(0, OTHER_RPS)
  const many = ledger.relyingParties
    .slice(OTHER_RPS)
    .flatMap((rp) =>
      Array.from({ length: CLIENTS_PER_ORIGIN }, (_, n) => ({ ...rp, clientId: `${rp.clientId}.${n}` })),
    )
  const ofOther = (count: number) => makeSessions(count, others, OTHER_RPS, OTHER_ISSUER)
  const massLogout = () => makeSessions(sessions * SESSIONS_FACTOR, many)

  const trickled = ofOther(latencySeconds * TRIGGERS_PER_SECOND)
  const alone = await withRelay(context, ledger, algorithm, [], trickled, async (run, program) => {
    const triggeredMs = await program.whileRunning(trickle(run, trickled, TRIGGERS_PER_SECOND))
    await program.whileRunning(ledger.waitFor({ distinctMin: deliveriesOf(trickled) }))
    return latenciesMs(await ledger.arrivals(), triggeredMs)
  })

  const without = await queued(context, ledger, algorithm, massLogout(), [])
  const owed = massLogout()
  const massTriggersPerSecond = (owed.length / without.seconds) * PACE
  const besideIt = ofOther(Math.floor((without.seconds / PACE) * TRIGGERS_PER_SECOND))
  const beside = await withRelay(context, ledger, algorithm, owed, besideIt, async (run, program) => {
    const [triggeredMs] = await program.whileRunning(
      Promise.all([trickle(run, besideIt, TRIGGERS_PER_SECOND), paced(run, owed, massTriggersPerSecond)]),
    )
    await program.whileRunning(toldAll(ledger, [owed, besideIt]))
    const arrivals = (await ledger.arrivals()).filter(({ sessionId }) => triggeredMs.has(sessionId))
    const { duplicates } = await ledger.summary()
    return { latencies: latenciesMs(arrivals, triggeredMs), duplicates }
  })

  const behind = await queued(context, ledger, algorithm, massLogout(), ofOther(1))
  return {
    owed: deliveriesOf(owed),
    aloneP50Ms: percentile(alone, 50),
    aloneP99Ms: percentile(alone, 99),
    p50Ms: percentile(beside.latencies, 50),
    p99Ms: percentile(beside.latencies, 99),
    behindSeconds: behind.otherSeconds,
    seconds: behind.seconds,
    aloneSeconds: without.seconds,
    duplicates: beside.duplicates + behind.duplicates + without.duplicates,
  }
}

/** All triggers of a mass logout on the topic at once, and then those of the other tenant. */
async function queued(
  context: BenchContext,
  ledger: Ledger,
  algorithm: BenchAlgorithm,
  owed: readonly BenchSession[],
  others: readonly BenchSession[],
): Promise<{ otherSeconds: number; seconds: number; duplicates: number }> {
  return withRelay(context, ledger, algorithm, owed, others, async (run, program) => {
    await preload(run, program, [...owed, ...others])
    const startedMs = monotonicMs()
    program.resume()
    await program.whileRunning(toldAll(ledger, [owed, others]))
    const { duplicates } = await ledger.summary()
    const arrivals = await ledger.arrivals()
    const otherIds = new Set(others.map(({ sessionId }) => sessionId))
    const until = (isOther: boolean) =>
      arrivals
        .filter(({ sessionId }) => otherIds.has(sessionId) === isOther)
        .reduce((last, { firstArrivalMs }) => Math.max(last, (firstArrivalMs - startedMs) / 1_000), 0)
    return { otherSeconds: until(true), seconds: until(false), duplicates }
  })
}

/** A relay that speaks for both, and has told each of its RPs before; the other tenant a moment ago, where it has any part. */
async function withRelay<T>(
  context: BenchContext,
  ledger: Ledger,
  algorithm: BenchAlgorithm,
  massLogout: readonly BenchSession[],
  others: readonly BenchSession[],
  measure: (run: BenchRun, program: Program) => Promise<T>,
): Promise<T> {
  await using opened = await context.openRun()
  const run: BenchRun = { ...opened, ledger, [Symbol.asyncDispose]: async () => undefined }
  const { place, redis } = run
  const rpsOf = (sessions: readonly BenchSession[]) => [
    ...new Map(
      sessions.flatMap(({ relyingParties }) => relyingParties).map((it) => [it.clientId, it]),
    ).values(),
  ]
  const warmUp = [
    ...(massLogout.length > 0 ? makeSessions(WARM_UP_SESSIONS, rpsOf(massLogout)) : []),
    ...(others.length > 0 ? makeSessions(WARM_UP_SESSIONS, rpsOf(others), OTHER_RPS, OTHER_ISSUER) : []),
  ]
  await seedRegistrations(redis, place.redisPrefix, [...warmUp, ...massLogout, ...others], algorithm)
  await using program = startProgram('relay', place, {
    ISSUERS_FILE: await writeIssuers(run, [ISSUER, OTHER_ISSUER]),
  })
  await loadByTopic(run, program).warmUp(warmUp)
  await ledger.reset()
  const measured = await measure(run, program)
  await program.stop()
  return measured
}

/** As a provider writes that ends one session after the other. */
async function paced(
  { kafka, place }: BenchRun,
  sessions: readonly BenchSession[],
  triggersPerSecond: number,
): Promise<void> {
  const startedMs = monotonicMs()
  for (let sent = 0; sent < sessions.length; ) {
    await setTimeout(TICK_MS)
    const due = Math.min(
      Math.floor(((monotonicMs() - startedMs) * triggersPerSecond) / 1_000),
      sessions.length,
    )
    if (due > sent) await kafka.produceSome(place.topic, sessions.slice(sent, due).map(trigger))
    sent = due
  }
}

async function toldAll(ledger: Ledger, owed: readonly (readonly BenchSession[])[]): Promise<void> {
  const distinctMin = owed.reduce((sum, sessions) => sum + deliveriesOf(sessions), 0)
  await pollUntil(
    async () => (await ledger.summary()).distinct >= distinctMin,
    POLL_MS,
    TIMEOUT_MS,
    'all deliveries of both tenants',
  )
}
