import { randomUUID } from 'node:crypto'
import { monotonicMs } from '../support/ledger/monotonic-clock.ts'
import type { Arrival, RelyingParty } from '../support/ledger/protocol.ts'
import type { BenchContext, BenchRun } from './bench-context.ts'
import { loadByTopic } from './load.ts'
import { pollUntil } from './poll.ts'
import { type Program, startProgram } from './program.ts'
import type { BenchAlgorithm } from './signing-keys.ts'
import { median } from './statistics.ts'
import { WARM_UP_SESSIONS } from './throughput.ts'
import {
  type BenchSession,
  deliveriesOf,
  ISSUER,
  makeSessions,
  REGISTRATIONS_PER_SESSION,
  seedRegistrations,
  trigger,
} from './workload.ts'

/** More work than a throughput run has: the two figures that are compared should be steadier than their bound. */
const SESSIONS_FACTOR = 3
const SESSIONS_PER_CHUNK = 50_000
const SESSIONS_PER_PIPELINE = 1_000
const PARK_TIMEOUT_MS = 120_000
const PARK_MS_PER_DELIVERY_MAX = 1
const TOMBSTONE_MS = 3_600_000
const FIRST_TIMEOUT_MS = 180_000
/** A million takes minutes; the rate shows in less. */
const DRAIN_MS_MAX = 60_000
const DRAIN_LOOK_MS = 100

export interface ParkedRun {
  readonly algorithm: BenchAlgorithm
  /** What stood in the dead RP's backlog when every trigger was settled. */
  readonly parked: number
  readonly parkedPerSecond: number
  /** Deliveries to the other RPs, before anything was parked and beside all that. Medians of the same rounds. */
  readonly healthyPerSecondWithout: number
  readonly healthyPerSecondWith: number
  /** The largest resident size of the process, before anything was parked and in its whole life. */
  readonly peakRssMbWithout: number
  readonly peakRssMbWith: number
  /** What parking added to Redis; registrations and tombstones were there before. */
  readonly redisBytesPerParked: number
  /** What the tombstone of an ended session takes, parked or not. */
  readonly redisBytesPerTombstone: number
  /** From the dead RP's recovery to its first delivery. */
  readonly firstAfterSeconds: number
  /** Arrivals at the recovered RP, from the first on, ramp included; and those of fresh triggers for it alone. */
  readonly drainPerSecond: number
  readonly normalPerSecond: number
  readonly drained: number
  /** Parked deliveries that neither arrived nor are still parked when the relay has stopped. */
  readonly lost: number
  readonly duplicates: number
  readonly wrong: number
}

/** One relay, one dead RP (connections refused) with a backlog that the relay itself parked, and 49 others. */
export async function measureParked(
  context: BenchContext,
  algorithm: BenchAlgorithm,
  { parked, sessions, runs }: { readonly parked: number; readonly sessions: number; readonly runs: number },
): Promise<ParkedRun> {
  await using run = await context.openRun({ ownRedis: true })
  const { ledger, place, redis } = run
  const [dead, ...healthy] = ledger.relyingParties as [RelyingParty, ...RelyingParty[]]
  const prefix = place.redisPrefix
  const warmUp = makeSessions(WARM_UP_SESSIONS, ledger.relyingParties)
  const owed = makeSessions(parked, [dead], 1)
  await seedRegistrations(redis, prefix, [...warmUp, ...owed], algorithm)
  // They are written by every ended session, so they are there before what is to be counted.
  const bytesBefore = await usedMemory(run)
  await seedTombstones(run, owed)
  const bytesPerTombstone = ((await usedMemory(run)) - bytesBefore) / parked

  await using program = startProgram('relay', place)
  const load = loadByTopic(run, program)
  await load.warmUp(warmUp)
  const healthyRounds = async (): Promise<number> => {
    const perSecond: number[] = []
    while (perSecond.length < runs) {
      const round = makeSessions(sessions * SESSIONS_FACTOR, healthy)
      await seedRegistrations(redis, prefix, round, algorithm)
      const { seconds } = await load.measure(round)
      perSecond.push(deliveriesOf(round) / seconds)
    }
    return median(perSecond)
  }
  const fresh = makeSessions(sessions * REGISTRATIONS_PER_SESSION, [dead], 1)
  await seedRegistrations(redis, prefix, fresh, algorithm)
  await load.measure(fresh)
  const normalPerSecond = ratePerSecond(await ledger.arrivals())
  const healthyPerSecondWithout = await healthyRounds()
  const peakRssMbWithout = program.cost().peakRssMb

  // The origins outlive this run, so they answer again whatever becomes of it.
  await using behaviour = new AsyncDisposableStack()
  behaviour.defer(async () => ledger.behave({ kind: 'answer', status: 200 }))
  await ledger.behave({ kind: 'refuse' }, [dead.origin])
  const bytesUnparked = await usedMemory(run)
  const parkingMs = monotonicMs()
  await park(run, program, owed)
  const parkedPerSecond = (parked * 1_000) / (monotonicMs() - parkingMs)
  const bytesParked = await usedMemory(run)
  const inBacklog = await backlogSize(run, dead)
  const healthyPerSecondWith = await healthyRounds()

  await ledger.reset()
  const recoversMs = monotonicMs()
  await behaviour.disposeAsync()
  const drained = await drain(run, program, parked)
  const peakRssMbWith = program.cost().peakRssMb
  await program.stop()
  const { distinct, duplicates, invalid } = await ledger.summary()
  return {
    algorithm,
    parked: inBacklog,
    parkedPerSecond,
    healthyPerSecondWithout,
    healthyPerSecondWith,
    peakRssMbWithout,
    peakRssMbWith,
    redisBytesPerParked: (bytesParked - bytesUnparked) / parked,
    redisBytesPerTombstone: bytesPerTombstone,
    firstAfterSeconds: (firstOf(drained) - recoversMs) / 1_000,
    drainPerSecond: ratePerSecond(drained),
    normalPerSecond,
    drained: drained.length,
    lost: parked - distinct - (await backlogSize(run, dead)),
    duplicates,
    wrong: invalid,
  }
}

/** As the relay would leave it: which trigger ended the session. */
async function seedTombstones({ redis, place }: BenchRun, sessions: readonly BenchSession[]): Promise<void> {
  for (let start = 0; start < sessions.length; start += SESSIONS_PER_PIPELINE) {
    const pipeline = redis.pipeline()
    for (const [index, { sessionId }] of sessions.slice(start, start + SESSIONS_PER_PIPELINE).entries()) {
      const origin = JSON.stringify([randomUUID(), place.topic, index % 6, start + index])
      pipeline.set(`${place.redisPrefix}:ended:{${ISSUER}|${sessionId}}`, origin, 'PX', TOMBSTONE_MS)
    }
    for (const [error] of (await pipeline.exec()) ?? []) if (error !== null) throw error
  }
}

/** Resolves when the relay has settled every trigger, which for a dead RP means: the delivery is parked. */
async function park(
  { kafka, place }: BenchRun,
  program: Program,
  sessions: readonly BenchSession[],
): Promise<void> {
  for (let start = 0; start < sessions.length; start += SESSIONS_PER_CHUNK) {
    const chunk = sessions.slice(start, start + SESSIONS_PER_CHUNK)
    await program.whileRunning(kafka.produce(place.topic, chunk.map(trigger)))
  }
  const timeoutMs = PARK_TIMEOUT_MS + sessions.length * PARK_MS_PER_DELIVERY_MAX
  const offsets = await kafka.endOffsets(place.topic)
  await program.whileRunning(kafka.waitForCommitted(place.topic, place.groupId, offsets, timeoutMs))
}

/** Resolves with what has arrived when everything has, or after a minute of it. */
async function drain({ ledger }: BenchRun, program: Program, parked: number): Promise<Arrival[]> {
  await program.whileRunning(ledger.waitFor({ distinctMin: 1 }, FIRST_TIMEOUT_MS))
  const endsMs = monotonicMs() + DRAIN_MS_MAX
  const isOver = async () => monotonicMs() > endsMs || (await ledger.summary()).distinct >= parked
  await program.whileRunning(pollUntil(isOver, DRAIN_LOOK_MS, 2 * DRAIN_MS_MAX, 'the drain'))
  return ledger.arrivals()
}

async function usedMemory({ redis }: BenchRun): Promise<number> {
  const bytes = /^used_memory:(\d+)/m.exec(await redis.info('memory'))?.[1]
  if (bytes === undefined) throw new Error('Redis does not tell how much memory it uses')
  return Number(bytes)
}

async function backlogSize({ redis, place }: BenchRun, { clientId }: RelyingParty): Promise<number> {
  return redis.zcard(`${place.redisPrefix}:backlog:{${ISSUER}|${clientId}}`)
}

function firstOf(arrivals: readonly Arrival[]): number {
  return arrivals.reduce(
    (first, { firstArrivalMs }) => Math.min(first, firstArrivalMs),
    Number.POSITIVE_INFINITY,
  )
}

function ratePerSecond(arrivals: readonly Arrival[]): number {
  const lastMs = arrivals.reduce((last, { firstArrivalMs }) => Math.max(last, firstArrivalMs), 0)
  return ((arrivals.length - 1) * 1_000) / (lastMs - firstOf(arrivals))
}
