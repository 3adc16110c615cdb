import type { DeliveryCheck } from './delivery-check.ts'
import type { Measurements } from './measurements.ts'
import type { ProgramName } from './program.ts'
import type { BenchAlgorithm } from './signing-keys.ts'
import { median } from './statistics.ts'

/** The medians of one program with one algorithm; NaN where nothing was measured. */
export interface ProgramFigures {
  readonly program: ProgramName
  readonly algorithm: BenchAlgorithm
  readonly perCpuSecond: number
  readonly perCpuSecondMin: number
  readonly perCpuSecondMax: number
  readonly perSecond: number
  readonly peakRssMb: number
  readonly latencyP50Ms: number
  readonly latencyP99Ms: number
  readonly check: DeliveryCheck
}

export function figuresOf(
  { throughput, latency }: Measurements,
  program: ProgramName,
  algorithm: BenchAlgorithm,
): ProgramFigures {
  const mine = (run: { program: ProgramName; algorithm: BenchAlgorithm }) =>
    run.program === program && run.algorithm === algorithm
  const loaded = throughput.filter(mine)
  const trickled = latency.filter(mine)
  const perCpuSecond = loaded.map((run) => run.perCpuSecond)
  return {
    program,
    algorithm,
    perCpuSecond: median(perCpuSecond),
    perCpuSecondMin: Math.min(...perCpuSecond),
    perCpuSecondMax: Math.max(...perCpuSecond),
    perSecond: median(loaded.map((run) => run.perSecond)),
    peakRssMb: median(loaded.map((run) => run.peakRssMb)),
    latencyP50Ms: median(trickled.map((run) => run.p50Ms)),
    latencyP99Ms: median(trickled.map((run) => run.p99Ms)),
    check: totalOf([...loaded, ...trickled]),
  }
}

/** Counts are summed, never averaged: a single lost delivery in any run has to show. */
export function totalOf(checks: readonly DeliveryCheck[]): DeliveryCheck {
  const total = (name: keyof DeliveryCheck) => checks.reduce((sum, check) => sum + check[name], 0)
  return {
    lost: total('lost'),
    duplicates: total('duplicates'),
    wrong: total('wrong'),
    outcomesMissing: total('outcomesMissing'),
    outcomesRepeated: total('outcomesRepeated'),
    outcomesFailed: total('outcomesFailed'),
  }
}
