import { expect, test } from 'vitest'
import { allOf, readEachOption } from '../../../src/config/read-each-option.ts'

const valid = {
  KAFKA_BROKERS: 'a:1,b:2',
  REDIS_URL: 'redis://host',
  ISSUER: 'https://op.example',
  SIGNING_KEYS_FILE: import.meta.filename,
}

test('a valid configuration is read whole', () => {
  const { options, problems } = readEachOption(valid)
  expect(problems).toEqual([])
  expect(options).toMatchObject({
    KAFKA_BROKERS: ['a:1', 'b:2'],
    KAFKA_TOPICS: ['session-events'],
    PORT: 8080,
  })
})

test('what is wrong is named, each once and without its value, and the rest is read', () => {
  const { options, problems } = readEachOption({
    ...valid,
    REDIS_URL: 'secret',
    ISSUER: undefined,
    KAFKA_DEAD_LETTER_TOPIC: 'session-events',
  })
  expect(problems.map((line) => line.split(':', 1)[0]).sort()).toEqual([
    'ISSUER',
    'KAFKA_DEAD_LETTER_TOPIC',
    'REDIS_URL',
  ])
  expect(problems.join()).not.toContain('secret')
  expect(options.REDIS_URL).toBeUndefined()
  expect(allOf(options, 'KAFKA_BROKERS', 'KAFKA_TOPICS')).toBeDefined()
  expect(allOf(options, 'KAFKA_BROKERS', 'REDIS_URL')).toBeUndefined()
})
