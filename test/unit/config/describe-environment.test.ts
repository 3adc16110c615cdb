import { expect, test } from 'vitest'
import { describeEnvironment } from '../../../src/config/describe-environment.ts'

const names = ['KAFKA_BROKERS', 'KAFKA_TLS', 'REDIS_URL', 'REDIS_PASSWORD', 'ISSUER'] as const
const stateOf = (name: string, env: Record<string, string>) =>
  describeEnvironment([...names, 'KAFKA_SASL_PASSWORD', 'KAFKA_OUTCOME_TOPIC', 'KAFKA_TOPICS'], env).find(
    (it) => it.name === name,
  )

test('what must be set comes first, and depends on what else is set', () => {
  const required = (env: Record<string, string>) =>
    describeEnvironment(names, env).map(({ name, required }) => `${name} ${required}`)
  expect(required({})).toEqual([
    'KAFKA_BROKERS true',
    'REDIS_URL true',
    'ISSUER true',
    'KAFKA_TLS false',
    'REDIS_PASSWORD false',
  ])
  expect(required({ ISSUERS_FILE: '/tmp' })).toContain('ISSUER false')
})

test('an option has its value, its default, or what is wrong with it', () => {
  expect(stateOf('KAFKA_BROKERS', { KAFKA_BROKERS: 'a:1' })).toMatchObject({
    value: 'a:1',
    source: 'environment',
  })
  expect(stateOf('KAFKA_TLS', {})).toMatchObject({ value: 'false', source: 'default' })
  expect(stateOf('KAFKA_OUTCOME_TOPIC', { KAFKA_TOPICS: 'x,y' })).toMatchObject({
    value: 'x',
    source: 'default',
  })
  expect(stateOf('REDIS_URL', {})).toMatchObject({
    source: 'unset',
    problem: expect.stringContaining('required'),
  })
  expect(stateOf('KAFKA_TLS', { KAFKA_TLS: 'maybe' })?.problem).toContain('true or false')
})

test('no secret is shown, nor the login of a URL', () => {
  const env = {
    REDIS_URL: 'redis://alice:hunter2@redis:6379/1',
    REDIS_PASSWORD_FILE: '/nowhere/hunter2',
    KAFKA_SASL_PASSWORD: 'hunter2',
  }
  const shown = JSON.stringify(
    ['REDIS_URL', 'REDIS_PASSWORD', 'KAFKA_SASL_PASSWORD'].map((it) => stateOf(it, env)),
  )
  expect(shown).not.toContain('hunter2')
  expect(shown).not.toContain('alice')
  expect(stateOf('REDIS_URL', env)?.value).toContain('redis:6379/1')
  expect(stateOf('REDIS_URL', { REDIS_URL: 'redis:hunter2' })?.value).not.toContain('hunter2')
  expect(stateOf('REDIS_PASSWORD', env)?.source).toBe('file')
  expect(stateOf('REDIS_URL', { REDIS_URL: 'redis://redis:6379' })?.value).toBe('redis://redis:6379')
})
