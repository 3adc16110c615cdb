import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { layout, readConfig, readConfigPart } from '../../../src/config/config.ts'
import { describeOptions } from '../../../src/config/describe-options.ts'
import { secretOptions } from '../../../src/config/secret-files.ts'
import { securityConfig } from '../../../src/kafka/kafka-security.ts'
import { messageOf } from '../../../src/lib/errors.ts'

let folder: string
let pem: string

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'logout-relay-'))
  pem = file('pem', 'PEM')
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function file(name: string, content: string): string {
  const path = join(folder, name)
  writeFileSync(path, content)
  return path
}

const required = {
  KAFKA_BROKERS: 'kafka:9092',
  REDIS_URL: 'rediss://redis:6379',
  ISSUER: 'https://op.example',
  SIGNING_KEYS_FILE: import.meta.filename,
}

function problemsOf(env: Record<string, string>): string[] {
  try {
    readConfig({ ...required, ...env })
    return []
  } catch (error) {
    return messageOf(error)
      .split('\n')
      .slice(1)
      .map((line) => line.trim())
  }
}

describe('secrets from files', () => {
  test('are read without the end of the line, and instead of the option', () => {
    const { REDIS_URL, ...rest } = required
    const env = {
      ...rest,
      REDIS_URL_FILE: file('url', `${REDIS_URL}\n`),
      REDIS_PASSWORD_FILE: file('password', '\ufeffp w\r\n\r\n'),
    }
    const config = readConfig(env)
    expect(config.redis).toMatchObject({ url: REDIS_URL, password: 'p w' })
    expect(readConfigPart({ url: layout.redis.url }, env)).toEqual({ url: REDIS_URL })
  })

  test('or from a variable that a file was read into, with or without blanks of its own', () => {
    expect(readConfig({ ...required, REDIS_PASSWORD: ' p w \r\n' }).redis.password).toBe(' p w ')
  })

  test.each([
    [
      'blanks at its end',
      'secret-text \n',
      'has blanks around the secret; remove them, or set REDIS_PASSWORD itself',
    ],
    ['blanks before it', '\tsecret-text\n', 'has blanks around the secret'],
    ['several lines', 'secret-text\nmore\n', 'has several lines'],
    ['UTF-16', Buffer.from('\ufeffsecret-text', 'utf16le').toString('latin1'), 'is not text in UTF-8'],
    ['a control character', 'secret\0text', 'has a control character'],
    ['a byte order mark and nothing else', '\ufeff\n', 'is empty'],
  ])('are refused where nobody can see what is meant: %s', (_, content, problem) => {
    const path = join(folder, 'unclear')
    writeFileSync(path, content, problem.includes('UTF-8') ? 'latin1' : 'utf8')
    const problems = problemsOf({ REDIS_PASSWORD_FILE: path })
    expect(problems).toEqual([expect.stringContaining(`REDIS_PASSWORD_FILE: the file ${problem}`)])
    expect(problems.join()).not.toContain('secret-text')
  })

  test('what is wrong with them is named all at once, by the name of the file option', () => {
    const { REDIS_URL: _, ...rest } = required
    const env = {
      ...rest,
      REDIS_URL: '',
      REDIS_URL_FILE: join(folder, 'absent'),
      REDIS_PASSWORD: 'secret-text',
      REDIS_PASSWORD_FILE: pem,
      KAFKA_SASL_PASSWORD_FILE: file('empty', '\n'),
    }
    const problems = problemsOf(env)
    expect(problems).toContain('REDIS_URL_FILE: the file cannot be read (ENOENT)')
    expect(problems).toContain('REDIS_PASSWORD_FILE: must not be set together with REDIS_PASSWORD')
    expect(problems).toContain('KAFKA_SASL_PASSWORD_FILE: the file is empty')
    expect(problems).not.toContain('REDIS_URL: is required')
    expect(problems.join()).not.toContain('secret-text')
  })

  test('every option that may be a file says so', () => {
    const told = describeOptions().filter(({ name, description }) => description.includes(`${name}_FILE`))
    expect(told.map(({ name }) => name).sort()).toEqual([...secretOptions].sort())
  })
})

describe('what a secured backend needs together', () => {
  const cases: [string, (path: string) => Record<string, string>, string][] = [
    ['an authority without TLS', (it) => ({ KAFKA_TLS_CA_FILE: it }), 'KAFKA_TLS: must be true'],
    [
      'a certificate without its key',
      (it) => ({ KAFKA_TLS: 'true', KAFKA_TLS_CERT_FILE: it }),
      'KAFKA_TLS_KEY_FILE: is required with KAFKA_TLS_CERT_FILE',
    ],
    [
      'a user without a password and a mechanism',
      () => ({ KAFKA_SASL_USERNAME: 'relay' }),
      'KAFKA_SASL_PASSWORD: is required with KAFKA_SASL_USERNAME',
    ],
    [
      'a mechanism that nobody knows',
      () => ({ KAFKA_SASL_MECHANISM: 'gssapi' }),
      'KAFKA_SASL_MECHANISM: must be plain, scram-sha-256 or scram-sha-512',
    ],
    [
      'a file that is not there',
      () => ({ KAFKA_TLS: 'true', KAFKA_TLS_CA_FILE: '/absent/ca.pem' }),
      'KAFKA_TLS_CA_FILE: the file cannot be read (ENOENT)',
    ],
    [
      'TLS files for a Redis in clear',
      (it) => ({ REDIS_URL: 'redis://redis:6379', REDIS_TLS_CA_FILE: it }),
      'REDIS_URL: must begin with rediss://',
    ],
    [
      'a Redis user without a password',
      () => ({ REDIS_USERNAME: 'relay' }),
      'REDIS_PASSWORD: is required with REDIS_USERNAME',
    ],
    [
      'a login for a schema registry that has no address',
      () => ({ SCHEMA_REGISTRY_USERNAME: 'key', SCHEMA_REGISTRY_PASSWORD: 'secret' }),
      'SCHEMA_REGISTRY_URL: is required with SCHEMA_REGISTRY_USERNAME and SCHEMA_REGISTRY_PASSWORD',
    ],
    [
      'a user of a schema registry without a password',
      () => ({ SCHEMA_REGISTRY_URL: 'https://registry', SCHEMA_REGISTRY_USERNAME: 'key' }),
      'SCHEMA_REGISTRY_PASSWORD: is required with SCHEMA_REGISTRY_USERNAME',
    ],
    [
      'a login in the address of a schema registry',
      () => ({ SCHEMA_REGISTRY_URL: 'https://key:secret@registry' }),
      'SCHEMA_REGISTRY_URL: must hold no login',
    ],
    [
      'a schema registry that is no URL',
      () => ({ SCHEMA_REGISTRY_URL: 'registry:8081' }),
      'SCHEMA_REGISTRY_URL: must be an https (or http) URL',
    ],
    [
      'TLS files for a schema registry in clear',
      (it) => ({ SCHEMA_REGISTRY_URL: 'http://registry', SCHEMA_REGISTRY_TLS_CA_FILE: it }),
      'SCHEMA_REGISTRY_URL: must begin with https://',
    ],
    [
      'a port for webhooks that nobody may send to',
      () => ({ INTAKE_PORT: '8081' }),
      'INTAKE_FILE: is required with INTAKE_PORT',
    ],
    [
      'senders of webhooks without a port',
      (it) => ({ INTAKE_FILE: it }),
      'INTAKE_PORT: is required with INTAKE_FILE',
    ],
    [
      'webhooks on the port of operators',
      (it) => ({ INTAKE_PORT: '8080', INTAKE_FILE: it }),
      'INTAKE_PORT: must not be PORT',
    ],
    [
      'a key without its certificate',
      (it) => ({ REDIS_TLS_KEY_FILE: it }),
      'REDIS_TLS_CERT_FILE: is required with REDIS_TLS_KEY_FILE',
    ],
  ]
  test.each(cases)('%s', (_, env, expected) => {
    expect(problemsOf(env(pem)).some((line) => line.startsWith(expected))).toBe(true)
  })

  test('given whole, it becomes the settings of the clients', () => {
    const config = readConfig({
      ...required,
      KAFKA_TLS: 'true',
      KAFKA_TLS_CA_FILE: pem,
      KAFKA_SASL_MECHANISM: 'scram-sha-512',
      KAFKA_SASL_USERNAME: 'relay',
      KAFKA_SASL_PASSWORD: 'secret',
      REDIS_USERNAME: 'lr',
      REDIS_PASSWORD: 'hidden',
    })
    expect(config.kafka.tls.caFile).toBe(pem)
    expect(securityConfig(config.kafka)).toMatchObject({
      ssl: true,
      sasl: { mechanism: 'scram-sha-512', username: 'relay', password: 'secret' },
    })
    expect(config.redis).toMatchObject({ username: 'lr', password: 'hidden' })
    expect(Object.keys(securityConfig(readConfig(required).kafka))).toEqual(['socketFactory'])
  })
})
