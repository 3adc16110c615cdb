import { parseArgs } from 'node:util'
import { type ProgramName, programNames } from './program.ts'
import { type BenchAlgorithm, benchAlgorithms } from './signing-keys.ts'

export const stageNames = ['throughput', 'latency', 'crash', 'size'] as const
export type StageName = (typeof stageNames)[number]

export const usage = `npm run bench -- [options]
  --alg ES256,RS256       algorithms (both)
  --only relay,bare,...   programs: ${programNames.join(', ')} (all)
  --stages throughput,... parts: ${stageNames.join(', ')} (all)
  --runs 3                runs per figure; medians are printed
  --sessions 4000         sessions per run, five deliveries each
  --quick                 one run, ES256, throughput and latency only, 5 s of latency
  --json FILE             writes every run, the medians and the targets there
`

export interface BenchOptions {
  readonly algorithms: readonly BenchAlgorithm[]
  readonly programs: readonly ProgramName[]
  readonly stages: readonly StageName[]
  readonly runs: number
  readonly sessions: number
  readonly latencySeconds: number
  readonly jsonFile?: string
}

/** Throws a plain message on a wrong option; `undefined` when help was asked for. */
export function readOptions(argv: readonly string[]): BenchOptions | undefined {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      alg: { type: 'string' },
      only: { type: 'string' },
      stages: { type: 'string' },
      runs: { type: 'string' },
      sessions: { type: 'string' },
      quick: { type: 'boolean', default: false },
      json: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  if (values.help) return undefined
  const { quick } = values
  return {
    algorithms: choose('--alg', values.alg, benchAlgorithms, quick ? ['ES256'] : benchAlgorithms),
    programs: choose('--only', values.only, programNames, programNames),
    stages: choose('--stages', values.stages, stageNames, quick ? ['throughput', 'latency'] : stageNames),
    runs: count('--runs', values.runs, quick ? 1 : 3),
    sessions: count('--sessions', values.sessions, 4_000),
    latencySeconds: quick ? 5 : 20,
    ...(values.json !== undefined && { jsonFile: values.json }),
  }
}

function choose<T extends string>(
  option: string,
  given: string | undefined,
  known: readonly T[],
  otherwise: readonly T[],
): readonly T[] {
  if (given === undefined) return otherwise
  const wanted = given.split(',')
  const unknown = wanted.filter((name) => !(known as readonly string[]).includes(name))
  if (unknown.length > 0)
    throw new Error(`${option}: ${unknown.join(', ')} is not one of ${known.join(', ')}`)
  // In our order, not in the order given: the runs are interleaved the same way every time.
  return known.filter((name) => wanted.includes(name))
}

function count(option: string, given: string | undefined, otherwise: number): number {
  if (given === undefined) return otherwise
  const number = Number(given)
  if (!Number.isInteger(number) || number < 1)
    throw new Error(`${option}: ${given} is not a positive integer`)
  return number
}
