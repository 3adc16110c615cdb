import { isUtf8 } from 'node:buffer'
import { readFileSync } from 'node:fs'
import { codeOf } from '../lib/errors.ts'

export type Environment = Readonly<Record<string, string | undefined>>

/** Options that are secret, or may hold a secret. Each may stand in a file instead, named by `<option>_FILE`. */
export const secretOptions = [
  'REDIS_URL',
  'REDIS_USERNAME',
  'REDIS_PASSWORD',
  'KAFKA_SASL_USERNAME',
  'KAFKA_SASL_PASSWORD',
  'SCHEMA_REGISTRY_USERNAME',
  'SCHEMA_REGISTRY_PASSWORD',
] as const

/** The variables that set an option: of a secret there are two. */
export function spellingsOf(name: string): string[] {
  const secret = secretOptions.find((it) => name === it || name === `${it}_FILE`)
  return secret === undefined ? [name] : [secret, `${secret}_FILE`]
}

export interface SecretFiles {
  /** Contents by option. */
  readonly values: Readonly<Record<string, string>>
  /** What is wrong, by option; no content is quoted. */
  readonly problems: readonly { readonly name: string; readonly line: string }[]
}

/** Reads the secrets that are given as files, the way a platform mounts them: the value, perhaps with a line's end. */
export function readSecretFiles(env: Environment): SecretFiles {
  const values: Record<string, string> = {}
  const problems: { name: string; line: string }[] = []
  for (const name of secretOptions) {
    const file = env[`${name}_FILE`]
    if (file === undefined || file === '') continue
    if (env[name] !== undefined && env[name] !== '') {
      problems.push({ name, line: `${name}_FILE: must not be set together with ${name}` })
      continue
    }
    const read = secretIn(file)
    if ('problem' in read) {
      const remedy = read.hasBlanks ? `; remove them, or set ${name} itself if they belong to it` : ''
      problems.push({ name, line: `${name}_FILE: the file ${read.problem}${remedy}` })
    } else values[name] = read.secret
  }
  return { values, problems }
}

/** What a variable says: without the end of a line that a template or a file has left there. */
export function variableOf(env: Environment, name: string): string | undefined {
  const value = env[name]
  return secretOptions.some((it) => it === name) ? value?.replace(MARK, '').replace(/[\r\n]+$/, '') : value
}

interface SecretProblem {
  /** Goes on after the name of the file, and quotes nothing of it. */
  readonly problem: string
  readonly hasBlanks?: boolean
}

const BYTES_MAX = 64 * 1_024
/** A byte order mark, which some editors write. */
const MARK = /^\uFEFF/

function secretIn(file: string): { readonly secret: string } | SecretProblem {
  let content: Buffer
  try {
    content = readFileSync(file)
  } catch (error) {
    return { problem: `cannot be read (${codeOf(error)})` }
  }
  const read = secretLines(content)
  if ('problem' in read) return read
  const [secret, ...more] = read.lines
  if (secret === undefined) return { problem: 'is empty' }
  return more.length === 0 ? { secret } : { problem: 'has several lines, and a secret is one' }
}

/**
 * The lines of a file of secrets that are not empty. The ends of lines and a byte order mark belong to none of them. Blanks around
 * one are refused: nobody can see whether they are meant.
 */
export function secretLines(content: Buffer): { readonly lines: readonly string[] } | SecretProblem {
  if (content.length > BYTES_MAX) return { problem: `has more than ${BYTES_MAX} bytes` }
  if (!isUtf8(content)) return { problem: 'is not text in UTF-8' }
  const all = content
    .toString('utf8')
    .replace(MARK, '')
    .split(/\r\n|\r|\n/)
  const where = (at: number) => (all.some((line, i) => i !== at && line !== '') ? ` in line ${at + 1}` : '')
  const blank = all.findIndex((line) => /^\s|\s$/.test(line))
  if (blank !== -1) return { problem: `has blanks around the secret${where(blank)}`, hasBlanks: true }
  const unseen = all.findIndex((line) => /\p{Cc}/u.test(line))
  if (unseen !== -1) return { problem: `has a control character${where(unseen)}` }
  return { lines: all.filter((line) => line !== '') }
}
