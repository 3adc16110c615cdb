import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { loadEnvFile } from '../../../src/config/env.ts'
import { readEnvFile } from '../../../src/config/env-file.ts'
import { codeOf, messageOf } from '../../../src/lib/errors.ts'
import { createScratchDirectory } from '../../stack/scratch-directory.ts'

const scratch = createScratchDirectory('test')
afterAll(() => scratch.remove())
const file = join(scratch.path, 'relay.env')
const write = (...lines: string[]) => writeFileSync(file, lines.join('\n'))

function refusalOf(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    expect(codeOf(error)).toBe('LR_CONFIG_INVALID')
    return messageOf(error)
  }
  throw new Error('it was accepted')
}

describe('an environment file', () => {
  test('is read as Node.js reads it: comments, quotes, export', () => {
    write(
      '# where',
      '',
      'KAFKA_BROKERS=a:1,b:2 # both',
      "export REDIS_PREFIX='lr # 1'",
      'LOG_LEVEL="debug"\r',
    )
    expect({ ...readEnvFile(file) }).toEqual({
      KAFKA_BROKERS: 'a:1,b:2',
      REDIS_PREFIX: 'lr # 1',
      LOG_LEVEL: 'debug',
    })
  })

  test('refuses a value that would be cut at a #', () => {
    write('REDIS_PASSWORD=ab#wxyz')
    const refusal = refusalOf(() => readEnvFile(file))
    expect(refusal).toContain(`${file}:1: REDIS_PASSWORD`)
    expect(refusal).not.toContain('wxyz')
    write("REDIS_PASSWORD='ab#cd'", 'REDIS_PREFIX=lr # a comment')
    expect({ ...readEnvFile(file) }).toEqual({ REDIS_PASSWORD: 'ab#cd', REDIS_PREFIX: 'lr' })
  })

  test('sets what is not set; an empty variable is not set, and a secret is set by either spelling', () => {
    write('KAFKA_BROKERS=file:1', 'REDIS_PREFIX=file', 'LOG_LEVEL=debug', 'REDIS_PASSWORD=file')
    const env = { KAFKA_BROKERS: 'real:1', REDIS_PREFIX: '', REDIS_PASSWORD_FILE: '/real' }
    loadEnvFile(file, env)
    expect(env).toEqual({
      KAFKA_BROKERS: 'real:1',
      REDIS_PREFIX: 'file',
      LOG_LEVEL: 'debug',
      REDIS_PASSWORD_FILE: '/real',
    })
  })

  test('is refused with file and line for all that is no option, and quotes no value', () => {
    write(
      'KAFKA_BROKERS=a:1',
      'KAFKA_BROKER=hunter2',
      'HTTPS_PROXY=hunter2',
      'hunter2',
      'KAFKA_BROKERS=hunter2',
    )
    const env = {}
    const refusal = refusalOf(() => loadEnvFile(file, env))
    const lines = refusal.split('\n').slice(1)
    expect(lines.map((line) => line.trim().split(': ', 1)[0])).toEqual(
      [2, 3, 4, 5].map((it) => `${file}:${it}`),
    )
    expect(lines[0]).toContain('did you mean KAFKA_BROKERS')
    expect(lines[1]).toContain('HTTPS_PROXY')
    expect(refusal).not.toContain('hunter2')
    expect(env).toEqual({})
  })

  test('that is not there is named', () => {
    const missing = join(scratch.path, 'missing.env')
    expect(refusalOf(() => readEnvFile(missing))).toContain(missing)
  })
})
