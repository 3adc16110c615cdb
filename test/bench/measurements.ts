import type { BenchContext } from './bench-context.ts'
import { type CrashRun, measureCrash } from './crash.ts'
import { type LatencyRun, measureLatency } from './latency.ts'
import type { BenchOptions } from './options.ts'
import { appendProgress } from './progress.ts'
import { measureThroughput, type ThroughputRun } from './throughput.ts'

/** Ten times the usual work shows what grows with it. */
const SIZE_FACTOR = 10

export interface Measurements {
  readonly throughput: ThroughputRun[]
  readonly latency: LatencyRun[]
  readonly crash: CrashRun[]
  /** The relay with the usual number of sessions and with ten times as many, in turn. */
  readonly size: ThroughputRun[]
}

/**
 * All runs, one after another. Within a stage the programs take turns, round by round, so that a machine that slows
 * down for a while slows all of them down.
 */
export async function measureAll(context: BenchContext, options: BenchOptions): Promise<Measurements> {
  const { algorithms, programs, stages, runs, sessions, latencySeconds } = options
  const measured: Measurements = { throughput: [], latency: [], crash: [], size: [] }
  const rounds = Array.from({ length: runs }, (_, round) => round + 1)
  const [firstAlgorithm = 'ES256'] = algorithms
  const withRelay = programs.includes('relay')

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
  return measured
}
