import { codeOf, messageOf } from '../lib/errors.ts'
import { type Config, readOptions, refuseUntrusted } from './env.ts'
import { optionsSchema } from './options.ts'
import type { Environment } from './secret-files.ts'

export interface EachOption {
  /** The options that are right, those included that need not be set; the others are missing. */
  readonly options: Partial<Config>
  /** What is wrong with the others, a line each, which begins with the name of the option. No value is quoted. */
  readonly problems: readonly string[]
}

/**
 * Reads the configuration as far as it is right, for a command that says what is wrong with the rest. Throws as
 * `readOptions` where nothing may be connected to at all.
 */
export function readEachOption(env?: Environment): EachOption {
  refuseUntrusted(env)
  const options: Partial<Record<keyof Config, unknown>> = {}
  const problems: string[] = []
  for (const name of Object.keys(optionsSchema.shape) as (keyof Config)[]) {
    try {
      Object.assign(options, readOptions([name], env))
    } catch (error) {
      if (codeOf(error) !== 'LR_CONFIG_INVALID') throw error
      // A heading, then a line per problem.
      problems.push(
        ...messageOf(error)
          .split('\n')
          .slice(1)
          .map((line) => line.trim()),
      )
    }
  }
  return { options: options as Partial<Config>, problems }
}

/** These options, or undefined when any of them is wrong. */
export function allOf<Name extends keyof Config>(
  options: Partial<Config>,
  ...names: readonly Name[]
): Pick<Config, Name> | undefined {
  return names.every((name) => name in options) ? (options as Pick<Config, Name>) : undefined
}
