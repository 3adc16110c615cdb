import { codeOf, messageOf } from '../lib/errors.ts'
import { type Layout, optionsIn, type Placed, place } from './config.ts'
import { type ReadOptions, readOptions, refuseUntrusted } from './env.ts'
import { optionsSchema } from './options.ts'
import type { Environment } from './secret-files.ts'

export interface EachOption {
  /** That part of the configuration, or undefined when any of it is wrong. */
  part<const L extends Layout>(part: L): Placed<L> | undefined
  /** What is wrong, a line each, which begins with the name of the option. No value is quoted. */
  readonly problems: readonly string[]
}

/**
 * Reads the configuration as far as it is right, for a command that says what is wrong with the rest. Throws as
 * `readOptions` where nothing may be connected to at all.
 */
export function readEachOption(env?: Environment): EachOption {
  refuseUntrusted(env)
  const options: Partial<ReadOptions> = {}
  const problems: string[] = []
  for (const name of Object.keys(optionsSchema.shape) as (keyof ReadOptions)[]) {
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
  return {
    problems,
    part<const L extends Layout>(part: L): Placed<L> | undefined {
      return optionsIn(part).every((name) => name in options) ? place<L>(part, options) : undefined
    },
  }
}
