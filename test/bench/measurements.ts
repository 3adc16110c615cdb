import type { BenchContext } from './bench-context.ts'
import { type CrashRun, measureCrash } from './crash.ts'
import { type IsolationRun, measureIsolation } from './isolation.ts'
import { type LatencyRun, measureLatency } from './latency.ts'
import { type MappedRun, measureDecoding, measureMapped } from './mapped.ts'
import type { BenchOptions } from './options.ts'
import { measureParked, type ParkedRun } from './parked.ts'
import { appendProgress } from './progress.ts'
import { measureRebuild, type RebuildRun } from './rebuild.ts'
import { measureReplay, type ReplayRun } from './replay.ts'
import { measureSharing, type SharingRun } from './sharing.ts'
import { measureSteady, type SteadyRun } from './steady.ts'
import { measureTenants, type TenantsRun } from './tenants.ts'
import { type ManyIssuersRun, measureManyIssuers } from './thousand-issuers.ts'
import { measureThroughput, type ThroughputRun } from './throughput.ts'

/** Ten times the usual work shows what grows with it. */
const SIZE_FACTOR = 10

export interface Measurements {
  readonly throughput: ThroughputRun[]
  /** Triggers in Keycloak's words beside the relay's own. */
  readonly mapped: MappedRun[]
  /** Microseconds of CPU per record, by format. */
  decoding: ReadonlyMap<string, number>
  readonly latency: LatencyRun[]
  readonly crash: CrashRun[]
  /** The relay with the usual number of sessions and with ten times as many, in turn. */
  readonly size: ThroughputRun[]
  /** Fault-free and with hanging RPs, in turn. */
  readonly isolation: IsolationRun[]
  /** A mass logout at RPs of which many are slow or hang. */
  readonly sharing: SharingRun[]
  /** A tenant beside the mass logout of another. */
  readonly tenants: TenantsRun[]
  /** A thousand issuers beside one. */
  readonly manyIssuers: ManyIssuersRun[]
  readonly parked: ParkedRun[]
  readonly rebuild: RebuildRun[]
  readonly replay: ReplayRun[]
  readonly steady: SteadyRun[]
}

/**
 * All runs, one after another. Within a stage the programs take turns, round by round, so that a machine that slows
 * down for a while slows all of them down.
 */
export async function measureAll(context: BenchContext, options: BenchOptions): Promise<Measurements> {
  const { algorithms, programs, stages, runs, sessions, latencySeconds } = options
  const measured: Measurements = {
    throughput: [],
    mapped: [],
    decoding: new Map(),
    latency: [],
    crash: [],
    size: [],
    isolation: [],
    sharing: [],
    tenants: [],
    manyIssuers: [],
    parked: [],
    rebuild: [],
    replay: [],
    steady: [],
  }
  const rounds = Array.from({ length: runs }, (_, round) => round + 1)
  const [firstAlgorithm = 'ES256'] = algorithms
  const withRelay = programs.includes('relay')

  // The broker and the relying parties are at their slowest when they are new; nobody's figures should show that.
  const first = programs.find((name) => name !== 'bare')
  if (first !== undefined) await measureThroughput(context, first, firstAlgorithm, sessions)

  if (stages.includes('throughput')) {
    for (const algorithm of algorithms) {
      for (const round of rounds) {
        for (const program of programs) {
          const run = await measureThroughput(context, program, algorithm, sessions)
          measured.throughput.push(run)
          appendProgress(`throughput ${round}/${runs}`, run)
        }
      }
    }
  }
  if (stages.includes('mapped') && withRelay) {
    measured.decoding = measureDecoding()
    for (const round of rounds) {
      const run = await measureMapped(context, firstAlgorithm, sessions)
      measured.mapped.push(run)
      for (const [what, one] of Object.entries(run)) appendProgress(`${what} ${round}/${runs}`, one)
    }
  }
  if (stages.includes('latency')) {
    for (const algorithm of algorithms) {
      for (const round of rounds) {
        // The bare loop takes no triggers, so it has no latency.
        for (const program of programs.filter((name) => name !== 'bare')) {
          const run = await measureLatency(context, program, algorithm, latencySeconds)
          measured.latency.push(run)
          appendProgress(`latency ${round}/${runs}`, run)
        }
      }
    }
  }
  if (stages.includes('crash') && withRelay) {
    for (const round of rounds) {
      const run = await measureCrash(context, firstAlgorithm, sessions)
      measured.crash.push(run)
      appendProgress(`kill -9 ${round}/${runs}`, run)
    }
  }
  if (stages.includes('size') && withRelay) {
    for (const round of rounds) {
      for (const size of [sessions, sessions * SIZE_FACTOR]) {
        const run = await measureThroughput(context, 'relay', firstAlgorithm, size)
        measured.size.push(run)
        appendProgress(`size ${round}/${runs}`, run)
      }
    }
  }
  if (stages.includes('isolation') && withRelay) {
    for (const round of rounds) {
      for (const isHanging of round % 2 === 1 ? [false, true] : [true, false]) {
        const run = await measureIsolation(context, firstAlgorithm, isHanging, options)
        measured.isolation.push(run)
        appendProgress(`isolation ${round}/${runs}`, run)
      }
      const sharing = await measureSharing(context, firstAlgorithm, (run) =>
        appendProgress(`isolation ${round}/${runs}`, run),
      )
      measured.sharing.push(...sharing)
    }
  }
  if (stages.includes('tenants') && withRelay) {
    for (const round of rounds) {
      const manyIssuers = await measureManyIssuers(context, firstAlgorithm)
      measured.manyIssuers.push(manyIssuers)
      appendProgress(`tenants ${round}/${runs}`, manyIssuers)
      const run = await measureTenants(context, firstAlgorithm, options)
      measured.tenants.push(run)
      appendProgress(`tenants ${round}/${runs}`, run)
    }
  }
  if (stages.includes('rebuild') && withRelay) {
    for (const round of rounds) {
      const run = await measureRebuild(context, firstAlgorithm, options.registrations)
      measured.rebuild.push(run)
      appendProgress(`rebuild ${round}/${runs}`, run)
    }
  }
  if (stages.includes('replay') && withRelay) {
    for (const round of rounds) {
      const run = await measureReplay(context, firstAlgorithm, options.triggers)
      measured.replay.push(run)
      appendProgress(`replay ${round}/${runs}`, run)
    }
  }
  // Both take minutes, and have their rounds within.
  if (stages.includes('parked') && withRelay) {
    const run = await measureParked(context, firstAlgorithm, options)
    measured.parked.push(run)
    appendProgress('parked', run)
  }
  if (stages.includes('steady') && withRelay) {
    const run = await measureSteady(context, firstAlgorithm, options.minutes)
    measured.steady.push(run)
    for (const [index, minute] of run.minutes.entries()) appendProgress(`steady, minute ${index + 1}`, minute)
  }
  return measured
}
