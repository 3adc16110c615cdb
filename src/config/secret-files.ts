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
    try {
      const content = readFileSync(file, 'utf8').replace(/\r?\n$/, '')
      if (content === '') problems.push({ name, line: `${name}_FILE: the file is empty` })
      else values[name] = content
    } catch (error) {
      problems.push({ name, line: `${name}_FILE: the file cannot be read (${codeOf(error)})` })
    }
  }
  return { values, problems }
}
