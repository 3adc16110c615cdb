import { codeOf, messageOf } from '../lib/errors.ts'
import { describeOptions, type OptionDescription } from './describe-options.ts'
import type { ReadOptions } from './env.ts'
import { isSetByFile, ownEnvironment, readOptions, refuseUntrusted } from './env.ts'
import { type Environment, secretOptions } from './secret-files.ts'

type OptionName = keyof ReadOptions

/** An option with what it is now. */
export interface OptionState extends OptionDescription {
  /** As it stands in the environment or by default; a secret is masked. Missing where there is none. */
  readonly value?: string
  /** `env-file`: that of `--env-file`; `file`: the one that `<option>_FILE` names. */
  readonly source: 'environment' | 'env-file' | 'file' | 'default' | 'unset'
  /** What is wrong with it. No value is quoted. */
  readonly problem?: string
}

const MASK = '***'

/**
 * The named options as they are now, those that must be set first. What must be set depends on others: with `ISSUERS_FILE`
 * `ISSUER` need not. Throws as `readOptions` where nothing may be connected to at all.
 */
export function describeEnvironment(
  names: readonly OptionName[],
  env: Environment = ownEnvironment(),
): OptionState[] {
  refuseUntrusted(env)
  const states = describeOptions()
    .filter(({ name }) => (names as readonly string[]).includes(name))
    .map((option) => stateOf(option, env))
  return [...states.filter((it) => it.required), ...states.filter((it) => !it.required)]
}

function stateOf(option: OptionDescription, env: Environment): OptionState {
  const name = option.name as OptionName
  const unset = { ...env, [name]: undefined, [`${name}_FILE`]: undefined }
  const required = /: is required/.test(problemOf(name, unset) ?? '')
  const problem = problemOf(name, env)
  const common = { ...option, required, ...(problem !== undefined && { problem }) }
  if (isGiven(env[name])) {
    const source = isSetByFile(name, env) ? 'env-file' : 'environment'
    return { ...common, value: masked(name, env[name], problem), source }
  }
  if (isSecret(name) && isGiven(env[`${name}_FILE`])) return { ...common, value: MASK, source: 'file' }
  const value = option.defaultValue ?? derived(name, problem, env)
  return {
    ...common,
    ...(value !== undefined && { value }),
    source: value === undefined ? 'unset' : 'default',
  }
}

function isGiven(value: string | undefined): value is string {
  return value !== undefined && value !== ''
}

function isSecret(name: string): boolean {
  return (secretOptions as readonly string[]).includes(name)
}

/** A default that comes from other options. */
function derived(name: OptionName, problem: string | undefined, env: Environment): string | undefined {
  if (problem !== undefined) return undefined
  const value: unknown = readOptions([name], env)[name]
  return typeof value === 'string' ? value : undefined
}

function problemOf(name: OptionName, env: Environment): string | undefined {
  try {
    readOptions([name], env)
    return undefined
  } catch (error) {
    if (codeOf(error) !== 'LR_CONFIG_INVALID') throw error
    // A heading, then a line per problem.
    return messageOf(error)
      .split('\n')
      .slice(1)
      .map((line) => line.trim())
      .join('; ')
  }
}

/** Of a URL everything but its login is shown. */
function masked(name: string, value: string, problem: string | undefined): string {
  if (!isSecret(name)) return value
  // What is wrong may be a password in the wrong place.
  if (!name.endsWith('_URL') || problem !== undefined || !URL.canParse(value)) return MASK
  const url = new URL(value)
  const isPlain = url.username === '' && url.password === '' && url.search === '' && url.hash === ''
  return isPlain ? value : `${url.protocol}//${MASK}@${url.host}${url.pathname}`
}
