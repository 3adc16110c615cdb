import { isPattern, type TopicSelection } from '../events/topic-selection.ts'
import { counted } from '../lib/counted.ts'
import { RelayFault } from '../lib/errors.ts'
import { readEnvFile } from './env-file.ts'
import { type MisspeltOption, misspeltOptions } from './misspelt-options.ts'
import { conflicts } from './option-conflicts.ts'
import { type Options, optionsSchema } from './options.ts'
import { type Environment, readSecretFiles, spellingsOf, variableOf } from './secret-files.ts'

const PROBLEMS_PER_OPTION_MAX = 5

/** By the names that they have in the environment. */
export interface ReadOptions
  extends Omit<
    Options,
    'KAFKA_TOPICS' | 'KAFKA_OUTCOME_TOPIC' | 'KAFKA_DEAD_LETTER_TOPIC' | 'KAFKA_SHADOW_TOPIC'
  > {
  readonly KAFKA_TOPICS: TopicSelection
  /** Where the outcomes of this relay go: in shadow mode to the shadow topic. */
  readonly KAFKA_OUTCOME_TOPIC: string
  readonly KAFKA_SHADOW_TOPIC: string
  readonly KAFKA_DEAD_LETTER_TOPIC: string
}

/**
 * Reads some or all of the options; the only reader of the process environment. Throws `LR_CONFIG_INVALID` with a line
 * per problem of those. A value is never quoted: it may be a password in the wrong place.
 */
export function readOptions<Name extends keyof ReadOptions>(
  names: readonly Name[],
  env: Environment = process.env,
): Pick<ReadOptions, Name> {
  refuseUntrusted(env)
  const secrets = readSecretFiles(env)
  // An empty variable is what a template leaves where nothing was set.
  const given = Object.fromEntries(
    Object.keys(optionsSchema.shape).flatMap((name) => {
      const value = variableOf(env, name) || secrets.values[name]
      return value === undefined || value === '' ? [] : [[name, value]]
    }),
  )
  const isWanted = (name: PropertyKey | undefined): boolean => names.includes(name as Name)
  const isUnreadable = (name: PropertyKey | undefined) => secrets.problems.some((it) => it.name === name)
  const issues = (optionsSchema.safeParse(given).error?.issues ?? []).filter(
    ({ path }) => !isUnreadable(path[0]),
  )
  const options = validOptions(given)
  const problems = briefly([
    ...secrets.problems.filter(({ name }) => isWanted(name)).map(({ line }) => line),
    ...issues.filter(({ path }) => isWanted(path[0])).map((issue) => problemLine(issue, env)),
    ...issuerProblems(given, env).filter((line) => isWanted(line.split(':', 1)[0])),
    ...conflicts(options).filter((line) => isWanted(line.split(':', 1)[0])),
  ])
  if (problems.length > 0) throw faultOf(problems)
  const KAFKA_TOPICS = [...new Set(options.KAFKA_TOPICS)]
  const inputs = KAFKA_TOPICS.filter((it) => !isPattern(it))
  const outcomeTopic = options.KAFKA_OUTCOME_TOPIC ?? inputs[0]
  const shadowTopic = options.KAFKA_SHADOW_TOPIC ?? `${outcomeTopic}.shadow`
  const deadLetterTopic = options.KAFKA_DEAD_LETTER_TOPIC ?? `${inputs[0]}.dead-letter`
  const config = {
    ...options,
    KAFKA_TOPICS: {
      names: inputs,
      patterns: KAFKA_TOPICS.filter(isPattern),
      excluded: [outcomeTopic, shadowTopic, deadLetterTopic].filter((it) => it !== undefined),
    },
    KAFKA_OUTCOME_TOPIC: options.MODE === 'shadow' ? shadowTopic : outcomeTopic,
    KAFKA_SHADOW_TOPIC: shadowTopic,
    KAFKA_DEAD_LETTER_TOPIC: deadLetterTopic,
  }
  return Object.fromEntries(names.map((name) => [name, config[name]])) as unknown as Pick<ReadOptions, Name>
}

/** Throws when Node.js was told to trust everybody: what is sent to Kafka, Redis and the RPs could be read on the way. */
export function refuseUntrusted(env: Environment = process.env): void {
  if (env.NODE_TLS_REJECT_UNAUTHORIZED !== '0') return
  throw faultOf([
    'NODE_TLS_REJECT_UNAUTHORIZED: must not be 0, or every certificate is accepted; unset it, and name your authority in KAFKA_TLS_CA_FILE, REDIS_TLS_CA_FILE or, for RPs, NODE_EXTRA_CA_CERTS',
  ])
}

function faultOf(problems: readonly string[]): RelayFault {
  const lines = problems.map((problem) => `  ${problem}`).join('\n')
  return new RelayFault(
    'LR_CONFIG_INVALID',
    `the configuration has ${counted(problems.length, 'problem')}:\n${lines}`,
  )
}

/** A long list may be wrong in each of its entries. */
function briefly(lines: readonly string[]): string[] {
  const seen = new Map<string, number>()
  const shown = [...new Set(lines)].filter((line) => {
    const name = line.split(':', 1)[0] as string
    const count = (seen.get(name) ?? 0) + 1
    seen.set(name, count)
    return count <= PROBLEMS_PER_OPTION_MAX
  })
  const more = [...seen].filter(([, count]) => count > PROBLEMS_PER_OPTION_MAX)
  return [
    ...shown,
    ...more.map(([name, count]) => `${name}: has ${count - PROBLEMS_PER_OPTION_MAX} more problems`),
  ]
}

function problemLine(
  { path, code, message }: { path: PropertyKey[]; code?: string; message: string },
  env: Environment,
): string {
  const name = String(path[0])
  return code !== 'invalid_type' || path.length > 1
    ? `${name}: ${message}`
    : `${name}: ${required(name, env)}`
}

function required(name: string, env: Environment): string {
  const misspelt = misspeltOptions(env).find(({ meant }) => meant === name)
  return `is required${misspelt === undefined ? '' : `; ${misspelt.name} is not an option`}`
}

/** One issuer stands in two options, several stand in a file. */
function issuerProblems(given: Environment, env: Environment): string[] {
  const short = ['ISSUER', 'SIGNING_KEYS_FILE'] as const
  return given.ISSUERS_FILE === undefined
    ? short.filter((name) => given[name] === undefined).map((name) => `${name}: ${required(name, env)}`)
    : short
        .filter((name) => given[name] !== undefined)
        .map((name) => `${name}: must not be set beside ISSUERS_FILE`)
}

/** The options that are right by themselves, beside others that may be wrong. */
function validOptions(given: Environment): Partial<Options> {
  return Object.fromEntries(
    Object.entries(optionsSchema.shape).flatMap(([name, schema]) => {
      const parsed = schema.safeParse(given[name])
      return parsed.success ? [[name, parsed.data]] : []
    }),
  )
}

/** The options of this process that come from such a file. */
const setByFile = new Set<string>()

/** Adds what a file sets. What is set already wins, of a secret in whichever of its two spellings. */
export function loadEnvFile(path: string, env: Record<string, string | undefined> = process.env): void {
  const isSet = (name: string) => env[name] !== undefined && env[name] !== ''
  const added = Object.entries(readEnvFile(path)).filter(([name]) => !spellingsOf(name).some(isSet))
  for (const [name, value] of added) {
    env[name] = value
    if (env === process.env) setByFile.add(name)
  }
}

export function isSetByFile(name: string, env: Environment): boolean {
  return env === process.env && setByFile.has(name)
}

/** Of this process. */
export function ownEnvironment(): Environment {
  return process.env
}

/** What was probably meant as an option, and has no effect. */
export function readMisspelt(env: Environment = process.env): readonly MisspeltOption[] {
  return misspeltOptions(env)
}

/** Whether this process runs as `npm start` or as `npx logout-relay`. */
export function isStartedByNpm(env: Environment = process.env): boolean {
  return ['start', 'npx'].includes(env.npm_lifecycle_event ?? '')
}
