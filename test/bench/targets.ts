import { judgeFaults } from './fault-targets.ts'
import { figuresOf, totalOf } from './figures.ts'
import type { Measurements } from './measurements.ts'
import type { BenchAlgorithm } from './signing-keys.ts'
import { atLeast, atMost, type TargetResult } from './target-result.ts'

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
