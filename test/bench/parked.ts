import { monotonicMs } from '../support/ledger/monotonic-clock.ts'
import type { Arrival, RelyingParty } from '../support/ledger/protocol.ts'
import type { BenchContext, BenchRun } from './bench-context.ts'
import { backlogSize, park, seedTombstones, usedMemory } from './dead-rp-backlog.ts'
import { loadByTopic } from './load.ts'
import { pollUntil } from './poll.ts'
import { type Program, startProgram } from './program.ts'
import type { BenchAlgorithm } from './signing-keys.ts'
import { median } from './statistics.ts'
import { WARM_UP_SESSIONS } from './throughput.ts'
import {
  type BenchSession,
  deliveriesOf,
  makeSessions,
  REGISTRATIONS_PER_SESSION,
  seedRegistrations,
} from './workload.ts'

/** More work than a throughput run has: the two figures that are compared should be steadier than their bound. */
const SESSIONS_FACTOR = 3
const FIRST_TIMEOUT_MS = 180_000
/** A million takes minutes; the rate shows in less. */
const DRAIN_MS_MAX = 60_000
const DRAIN_LOOK_MS = 100

export interface ParkedRun {
  readonly algorithm: BenchAlgorithm
  /** What stood in the dead RP's backlog when every trigger was settled. */
  readonly parked: number
  readonly parkedPerSecond: number
  /** Deliveries to the other RPs, by the relay without a backlog and by the one beside it. Medians. */
  readonly healthyPerSecondWithout: number
  readonly healthyPerSecondWith: number
  /** The largest resident size in the life of the process; with the backlog, that includes parking and drain. */
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

/**
 * Two relays, each with a topic and a Redis of its own: beside one of them stands a backlog for one dead RP
 * (connections refused), which that relay itself parked. They do the same work in turn, so that a machine that slows
 * down for a while slows both of them down.
 */
export async function measureParked(
  context: BenchContext,
  algorithm: BenchAlgorithm,
  { parked, sessions, runs }: { readonly parked: number; readonly sessions: number; readonly runs: number },
): Promise<ParkedRun> {
  const { ledger } = context
  const [dead, ...healthy] = ledger.relyingParties as [RelyingParty, ...RelyingParty[]]
  await using run = await context.openRun({ ownRedis: true })
  await using runWithout = await context.openRun({ ownRedis: true })
  const owed = makeSessions(parked, [dead], 1)
  await seedRegistrations(run.redis, run.place.redisPrefix, owed, algorithm)
  // Every ended session has one, so they are there before what is to be counted.
  const bytesWithoutTombstones = await usedMemory(run)
  await seedTombstones(run, owed)
  const bytesWithTombstones = await usedMemory(run)

  await using relay = await startRelay(run, algorithm)
  await using relayWithout = await startRelay(runWithout, algorithm)
  const fresh = () => makeSessions(sessions * REGISTRATIONS_PER_SESSION, [dead], 1)
  await relayWithout.measure(fresh())
  await relay.measure(fresh())
  const normalPerSecond = ratePerSecond(await ledger.arrivals())

  // The origins outlive this run, so they answer again whatever becomes of it.
  await using behaviour = new AsyncDisposableStack()
  behaviour.defer(async () => ledger.behave({ kind: 'answer', status: 200 }))
  await ledger.behave({ kind: 'refuse' }, [dead.origin])
  const bytesUnparked = await usedMemory(run)
  const parkingMs = monotonicMs()
  await park(run, relay.program, owed)
  const parkedPerSecond = (parked * 1_000) / (monotonicMs() - parkingMs)
  const bytesParked = await usedMemory(run)
  const inBacklog = await backlogSize(run, dead)

  const healthyPerSecond = { with: [] as number[], without: [] as number[] }
  for (let round = 0; round <= runs; round++) {
    const order = round % 2 === 0 ? (['without', 'with'] as const) : (['with', 'without'] as const)
    for (const name of order) {
      const subject = name === 'with' ? relay : relayWithout
      const perSecond = await subject.measure(makeSessions(sessions * SESSIONS_FACTOR, healthy))
      // Not the first: only one of the two has had a lot to do before.
      if (round > 0) healthyPerSecond[name].push(perSecond)
    }
  }

  await ledger.reset()
  const recoversMs = monotonicMs()
  await behaviour.disposeAsync()
  const drained = await drain(run, relay.program, parked)
  const peakRssMbWith = relay.program.cost().peakRssMb
  await relay.program.stop()
  const { distinct, duplicates, invalid } = await ledger.summary()
  return {
    algorithm,
    parked: inBacklog,
    parkedPerSecond,
    healthyPerSecondWithout: median(healthyPerSecond.without),
    healthyPerSecondWith: median(healthyPerSecond.with),
    peakRssMbWithout: relayWithout.program.cost().peakRssMb,
    peakRssMbWith,
    redisBytesPerParked: (bytesParked - bytesUnparked) / parked,
    redisBytesPerTombstone: (bytesWithTombstones - bytesWithoutTombstones) / parked,
    firstAfterSeconds: (firstOf(drained) - recoversMs) / 1_000,
    drainPerSecond: ratePerSecond(drained),
    normalPerSecond,
    drained: drained.length,
    lost: parked - distinct - (await backlogSize(run, dead)),
    duplicates,
    wrong: invalid,
  }
}

interface WarmRelay extends AsyncDisposable {
  readonly program: Program
  /** Deliveries per second, of sessions whose registrations are written first. */
  measure(sessions: readonly BenchSession[]): Promise<number>
}

async function startRelay(run: BenchRun, algorithm: BenchAlgorithm): Promise<WarmRelay> {
  await using starting = new AsyncDisposableStack()
  const program = starting.use(startProgram('relay', run.place))
  const load = loadByTopic(run, program)
  const seed = (sessions: readonly BenchSession[]) =>
    seedRegistrations(run.redis, run.place.redisPrefix, sessions, algorithm)
  const warmUp = makeSessions(WARM_UP_SESSIONS, run.ledger.relyingParties)
  await seed(warmUp)
  await load.warmUp(warmUp)
  const started = starting.move()
  return {
    program,
    measure: async (sessions) => {
      await seed(sessions)
      const { seconds } = await load.measure(sessions)
      return deliveriesOf(sessions) / seconds
    },
    [Symbol.asyncDispose]: async () => started.disposeAsync(),
  }
}

/** Resolves with what has arrived when everything has, or after a minute of it. */
async function drain({ ledger }: BenchRun, program: Program, parked: number): Promise<Arrival[]> {
  await program.whileRunning(ledger.waitFor({ distinctMin: 1 }, FIRST_TIMEOUT_MS))
  const endsMs = monotonicMs() + DRAIN_MS_MAX
  const isOver = async () => monotonicMs() > endsMs || (await ledger.summary()).distinct >= parked
  await program.whileRunning(pollUntil(isOver, DRAIN_LOOK_MS, 2 * DRAIN_MS_MAX, 'the drain'))
  return ledger.arrivals()
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
