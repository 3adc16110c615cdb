import { figuresOf, totalOf } from './figures.ts'
import type { Measurements } from './measurements.ts'
import type { BenchAlgorithm } from './signing-keys.ts'
import { median } from './statistics.ts'

/** One line of the verdict: `measured` must be at least, or at most, `target`. */
export interface TargetResult {
  readonly name: string
  readonly measured: number
  readonly bound: 'at least' | 'at most'
  readonly target: number
  readonly unit: string
  readonly reached: boolean
}

/** The least ratios of deliveries per CPU-second. */
const RATIOS = {
  ES256: { straightforward: 1.3, bare: 1.0 },
  RS256: { straightforward: 1.1, bare: 0.9 },
} as const

/** Judges what was measured. What was left out (by an option) gives no line rather than a failed one. */
export function judge(measured: Measurements, algorithms: readonly BenchAlgorithm[]): TargetResult[] {
  const results = [
    ...algorithms.flatMap((algorithm) => judgeAlgorithm(measured, algorithm)),
    ...judgeFaults(measured),
  ]
  return results.filter(({ measured }) => !Number.isNaN(measured))
}

function judgeAlgorithm(measured: Measurements, algorithm: BenchAlgorithm): TargetResult[] {
  const relay = figuresOf(measured, 'relay', algorithm)
  const bare = figuresOf(measured, 'bare', algorithm)
  const straightforward = figuresOf(measured, 'straightforward', algorithm)
  const ratio = (name: 'latencyP50Ms' | 'latencyP99Ms' | 'perCpuSecond', other: typeof relay) =>
    relay[name] / other[name]
  const lines = [
    atLeast(
      `${algorithm} per CPU-second, relay / straightforward`,
      ratio('perCpuSecond', straightforward),
      RATIOS[algorithm].straightforward,
    ),
    atLeast(`${algorithm} per CPU-second, relay / bare`, ratio('perCpuSecond', bare), RATIOS[algorithm].bare),
    atMost(`${algorithm} latency p50, relay / straightforward`, ratio('latencyP50Ms', straightforward), 1.5),
    atMost(`${algorithm} latency p99, relay / straightforward`, ratio('latencyP99Ms', straightforward), 2),
    atMost(`${algorithm} peak memory of the relay`, relay.peakRssMb, 160, 'MB'),
  ]
  const runs = [...measured.throughput, ...measured.latency].filter(
    (run) => run.program === 'relay' && run.algorithm === algorithm,
  )
  if (runs.length === 0) return lines
  const { lost, duplicates, wrong, outcomesMissing, outcomesRepeated, outcomesFailed } = totalOf(runs)
  return [
    ...lines,
    atMost(`${algorithm} lost deliveries and outcomes`, lost + outcomesMissing + outcomesFailed, 0),
    atMost(`${algorithm} duplicate deliveries and outcomes`, duplicates + outcomesRepeated, 0),
    atMost(`${algorithm} refused or unexpected tokens`, wrong, 0),
  ]
}

function judgeFaults({ crash, size }: Measurements): TargetResult[] {
  const smallest = Math.min(...size.map((run) => run.sessions))
  const small = size.filter((run) => run.sessions === smallest)
  const large = size.filter((run) => run.sessions !== smallest)
  const of = (runs: typeof size, name: 'perCpuSecond' | 'peakRssMb') => median(runs.map((run) => run[name]))
  const resumed = median(crash.map((run) => run.resumedAfterSeconds))
  const crashed = crash.length === 0 ? Number.NaN : totalOf(crash).lost + totalOf(crash).outcomesMissing
  return [
    atMost('after kill -9, until deliveries go on', resumed, 12, 's'),
    atMost('after kill -9, lost deliveries and outcomes', crashed, 0),
    atMost(
      'ten times the sessions, cost per delivery, large / small',
      of(small, 'perCpuSecond') / of(large, 'perCpuSecond'),
      1.15,
    ),
    atMost(
      'ten times the sessions, additional peak memory',
      of(large, 'peakRssMb') - of(small, 'peakRssMb'),
      30,
      'MB',
    ),
  ]
}

function atLeast(name: string, measured: number, target: number, unit = ''): TargetResult {
  return { name, measured, bound: 'at least', target, unit, reached: measured >= target }
}

function atMost(name: string, measured: number, target: number, unit = ''): TargetResult {
  return { name, measured, bound: 'at most', target, unit, reached: measured <= target }
}
