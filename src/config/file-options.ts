import { readFileSync } from 'node:fs'
import { codeOf } from '../errors.ts'
import type { Options } from './options.ts'

/** Options that name a file without which nothing can be done. */
const fileOptions = [
  'SIGNING_KEYS_FILE',
  'KAFKA_TLS_CA_FILE',
  'KAFKA_TLS_CERT_FILE',
  'KAFKA_TLS_KEY_FILE',
  'REDIS_TLS_CA_FILE',
  'REDIS_TLS_CERT_FILE',
  'REDIS_TLS_KEY_FILE',
] as const satisfies readonly (keyof Options)[]

/** A line per option whose file cannot be read. What the files hold is for those to judge who use it. */
export function unreadableFiles(options: Partial<Options>): string[] {
  return fileOptions.flatMap((name) => {
    const file = options[name]
    if (file === undefined) return []
    try {
      readFileSync(file)
      return []
    } catch (error) {
      return [`${name}: the file cannot be read (${codeOf(error)})`]
    }
  })
}
