import { cpus } from 'node:os'
import { amount } from './amount.ts'
import { faultLines } from './fault-lines.ts'
import { figuresOf } from './figures.ts'
import type { Measurements } from './measurements.ts'
import type { BenchOptions } from './options.ts'
import { judge } from './targets.ts'
import { WARM_UP_SESSIONS } from './throughput.ts'
import { REGISTRATIONS_PER_SESSION } from './workload.ts'

/** The whole report as plain text: what was done, the figures, the verdict. */
export function report(measured: Measurements, options: BenchOptions): string {
  return [
    introduction(options),
    programTable(measured, options),
    faultLines(measured),
    verdictTable(measured, options),
  ]
    .filter((part) => part !== '')
    .join('\n\n')
}

function introduction({ sessions, origins, runs, latencySeconds }: BenchOptions): string {
  const [{ model = 'unknown CPU' } = {}] = cpus()
  return [
    `Work: ${sessions} sessions x ${REGISTRATIONS_PER_SESSION} relying parties = ${sessions * REGISTRATIONS_PER_SESSION} deliveries to ${origins} loopback origins, after a warm-up of ${WARM_UP_SESSIONS} sessions.`,
    `Medians of ${runs}; in brackets the lowest and the highest. Latency: trigger to POST, 50 triggers/s for ${latencySeconds} s.`,
    'CPU-s: user and system time of the program with its children, from the first trigger to the last commit.',
    'MB: the largest resident size in the life of the process. Lost, twice, wrong: by the ledger of the relying',
    'parties; outcomes missing and repeated: by the topic; both over all runs, so they should be 0.',
    `Machine: ${cpus().length} x ${model}, Node ${process.versions.node}. Trust ratios within one run more than figures.`,
  ].join('\n')
}

function programTable(measured: Measurements, { algorithms, programs }: BenchOptions): string {
  if (measured.throughput.length + measured.latency.length === 0) return ''
  const rows = algorithms.flatMap((algorithm) =>
    programs.map((program) => {
      const figures = figuresOf(measured, program, algorithm)
      const { lost, duplicates, wrong, outcomesMissing, outcomesRepeated } = figures.check
      const writesOutcomes = program !== 'bare'
      return [
        algorithm,
        program,
        range(figures.perCpuSecond, figures.perCpuSecondMin, figures.perCpuSecondMax),
        amount(figures.perSecond),
        amount(figures.latencyP50Ms, 1),
        amount(figures.latencyP99Ms, 1),
        amount(figures.peakRssMb),
        `${lost} / ${duplicates} / ${wrong}`,
        writesOutcomes ? `${outcomesMissing} / ${outcomesRepeated}` : '-',
      ]
    }),
  )
  const head = [
    '',
    '',
    'per CPU-s',
    'per s',
    'p50 ms',
    'p99 ms',
    'MB',
    'lost/twice/wrong',
    'outcomes missing/repeated',
  ]
  return table([head, ...rows])
}

function verdictTable(measured: Measurements, { algorithms }: BenchOptions): string {
  const results = judge(measured, algorithms)
  if (results.length === 0) return ''
  const rows = results.map(({ name, measured, bound, target, unit, reached }) => [
    name,
    // Ratios and seconds need decimals; counts and megabytes do not.
    `${amount(measured, Number.isInteger(measured) || unit === 'MB' ? 0 : 2)} ${unit}`.trimEnd(),
    `${bound} ${target} ${unit}`.trimEnd(),
    reached ? 'ok' : 'MISSED',
  ])
  return table([['target', 'measured', 'wanted', ''], ...rows])
}

function range(middle: number, lowest: number, highest: number): string {
  return Number.isNaN(middle) ? '-' : `${amount(middle)} [${amount(lowest)}-${amount(highest)}]`
}

function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}
