import { readFileSync } from 'node:fs'
import { parseEnv } from 'node:util'
import { counted } from '../lib/counted.ts'
import { codeOf, RelayFault } from '../lib/errors.ts'
import { printable } from '../lib/printable.ts'
import { isOption, misspeltOptions } from './misspelt-options.ts'
import type { Environment } from './secret-files.ts'

const PROBLEMS_MAX = 20
const LINE = /^\s*(?:export\s+)?([A-Za-z_][\w.-]*)\s*=/

/**
 * The options that a file of `NAME=value` lines sets, as `node --env-file` reads it. Throws `LR_CONFIG_INVALID`, which names
 * the file and the line of everything that is no option, and quotes no value.
 */
export function readEnvFile(path: string): Environment {
  const text = read(path)
  const lines = new Map<string, number>()
  const problems: string[] = []
  for (const [i, line] of text.split(/\r?\n/).entries()) {
    if (/^\s*(#|$)/.test(line)) continue
    const name = LINE.exec(line)?.[1]
    const problem =
      name === undefined ? 'must be NAME=value' : (problemOf(name, lines.get(name)) ?? cutProblem(name, line))
    if (name !== undefined && problem === undefined) lines.set(name, i + 1)
    else problems.push(`  ${printable(path)}:${i + 1}: ${problem}`)
  }
  if (problems.length > 0) {
    const shown = problems.slice(0, PROBLEMS_MAX).join('\n')
    throw new RelayFault(
      'LR_CONFIG_INVALID',
      `--env-file: has ${counted(problems.length, 'problem')}:\n${shown}`,
    )
  }
  return parseEnv(text)
}

/** Node.js ends a value without quotes at any `#`, where systemd and shells take it for a part of the value. */
function cutProblem(name: string, line: string): string | undefined {
  const value = line.slice(line.indexOf('=') + 1).trim()
  if (/^["'`]/.test(value) || !/\S#/.test(value)) return undefined
  return `${name} has a # within its value: put the value in quotes, or a blank before a comment`
}

function read(path: string): string {
  try {
    // Without a byte order mark, which would be a part of the first name.
    return readFileSync(path, 'utf8').replace(/^\uFEFF/, '')
  } catch (error) {
    const why = `the file ${printable(path)} cannot be read (${codeOf(error)})`
    throw new RelayFault('LR_CONFIG_INVALID', `--env-file: ${why}`, { cause: error })
  }
}

function problemOf(name: string, earlierLine: number | undefined): string | undefined {
  if (earlierLine !== undefined) return `${name} is set in line ${earlierLine} already`
  if (isOption(name)) return undefined
  const meant = misspeltOptions({ [name]: 'x' })[0]?.meant
  const hint =
    meant === undefined ? '; only options of the relay can be set here' : `; did you mean ${meant}?`
  return `${printable(name)} is not an option${hint}`
}
