import { parseArgs } from 'node:util'
import { type ProgramName, programNames } from './program.ts'
import { type BenchAlgorithm, benchAlgorithms } from './signing-keys.ts'
import { REGISTRATIONS_PER_SESSION } from './workload.ts'

export const stageNames = [
  'throughput',
  'mapped',
  'latency',
  'crash',
  'size',
  'isolation',
  'tenants',
  'parked',
  'rebuild',
  'replay',
  'steady',
] as const
export type StageName = (typeof stageNames)[number]

/** What runs when nothing is said; a constant load takes its time, so it must be asked for. */
const usualStages = stageNames.filter((name) => name !== 'steady')
const quickStages: readonly StageName[] = ['throughput', 'latency']

export const usage = `npm run bench -- [options]
  --alg ES256,RS256       algorithms (both)
  --only relay,bare,...   programs: ${programNames.join(', ')} (all)
  --stages throughput,... parts: ${stageNames.join(', ')} (all but steady)
  --all                   all parts, with steady
  --runs 3                runs per figure; medians are printed
  --sessions 4000         sessions per run, five deliveries each
  --origins 50            relying parties, each at an origin of its own; 5 at least
  --parked 1000000        deliveries parked for one dead relying party (part parked)
  --registrations 200000  on the topic that Redis is rebuilt from, with a quarter as many triggers (part rebuild)
  --triggers 50000        on the topic that is replayed, half of them sent before (part replay)
  --minutes 10            of constant load, 4 at least (part steady)
  --quick                 one run, ES256, throughput and latency only, 5 s of latency; of the other parts, where
                          they are named, 20,000 parked, 20,000 registrations, 10,000 triggers, 4 minutes
  --json FILE             writes every run, the medians and the targets there
`

export interface BenchOptions {
  readonly algorithms: readonly BenchAlgorithm[]
  readonly programs: readonly ProgramName[]
  readonly stages: readonly StageName[]
  readonly runs: number
  readonly sessions: number
  readonly origins: number
  readonly latencySeconds: number
  readonly parked: number
  readonly registrations: number
  readonly triggers: number
  readonly minutes: number
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
      origins: { type: 'string' },
      parked: { type: 'string' },
      registrations: { type: 'string' },
      triggers: { type: 'string' },
      minutes: { type: 'string' },
      all: { type: 'boolean', default: false },
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
    stages: choose('--stages', values.stages, stageNames, stagesUnnamed(quick, values.all)),
    runs: count('--runs', values.runs, quick ? 1 : 3),
    sessions: count('--sessions', values.sessions, 4_000),
    // A session is registered at so many different ones.
    origins: count('--origins', values.origins, 50, REGISTRATIONS_PER_SESSION),
    parked: count('--parked', values.parked, quick ? 20_000 : 1_000_000),
    registrations: count('--registrations', values.registrations, quick ? 20_000 : 200_000, 100),
    triggers: count('--triggers', values.triggers, quick ? 10_000 : 50_000, 100),
    // The last minute is compared with the third.
    minutes: count('--minutes', values.minutes, quick ? 4 : 10, 4),
    latencySeconds: quick ? 5 : 20,
    ...(values.json !== undefined && { jsonFile: values.json }),
  }
}

function stagesUnnamed(quick: boolean, all: boolean): readonly StageName[] {
  if (all) return stageNames
  return quick ? quickStages : usualStages
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

function count(option: string, given: string | undefined, otherwise: number, least = 1): number {
  if (given === undefined) return otherwise
  const number = Number(given)
  if (!Number.isInteger(number) || number < least)
    throw new Error(`${option}: ${given} is not a whole number from ${least}`)
  return number
}
