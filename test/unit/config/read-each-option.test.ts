import { expect, test } from 'vitest'
import { layout } from '../../../src/config/config.ts'
import { readEachOption } from '../../../src/config/read-each-option.ts'

const valid = {
  KAFKA_BROKERS: 'a:1,b:2',
  REDIS_URL: 'redis://host',
  ISSUER: 'https://op.example',
  SIGNING_KEYS_FILE: import.meta.filename,
}

test('a valid configuration is read whole', () => {
  const { part, problems } = readEachOption(valid)
  expect(problems).toEqual([])
  expect(part(layout)).toMatchObject({
    kafka: { brokers: ['a:1', 'b:2'], topics: { names: ['session-events'], patterns: [] } },
    http: { port: 8080 },
  })
})

test('what is wrong is named, each once and without its value, and the rest is read', () => {
  const { part, problems } = readEachOption({
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
  expect(part([layout.kafka.brokers, layout.kafka.topics, layout.redis.prefix])).toBeDefined()
  expect(part([layout.kafka.brokers, layout.redis])).toBeUndefined()
  expect(part(layout.issuers.signingKeysFile)).toBe(valid.SIGNING_KEYS_FILE)
  expect(part(layout.issuers)).toBeUndefined()
})
