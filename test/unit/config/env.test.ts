import { describe, expect, test } from 'vitest'
import { layout, optionsIn, readConfig, readConfigPart } from '../../../src/config/config.ts'
import { optionsSchema } from '../../../src/config/options.ts'
import { codeOf, messageOf } from '../../../src/lib/errors.ts'

const required = {
  KAFKA_BROKERS: 'kafka-1:9092, [::1]:9093',
  REDIS_URL: 'rediss://user:secret@redis.example:6380/2',
  ISSUER: 'https://op.example/realms/a',
  SIGNING_KEYS_FILE: import.meta.filename,
}

/** One line per problem, by the option that it is about. */
function problems(env: Record<string, string>): { names: string[]; message: string } {
  try {
    readConfig(env)
    return { names: [], message: '' }
  } catch (error) {
    expect(codeOf(error)).toBe('LR_CONFIG_INVALID')
    const message = messageOf(error)
    const names = [...message.matchAll(/^ {2}(\w+): /gm)].map(([, name]) => name as string)
    return { names: names.sort(), message }
  }
}

const wrongFor = (env: Record<string, string>) => problems({ ...required, ...env }).names

describe('configuration', () => {
  test('in shadow mode outcomes go to a topic of their own, and to no other', () => {
    const topics = (env: Record<string, string>) => readConfig({ ...required, ...env }).kafka
    expect(topics({})).toMatchObject({ outcomeTopic: 'session-events', shadowTopic: 'session-events.shadow' })
    expect(topics({ MODE: 'shadow' }).outcomeTopic).toBe('session-events.shadow')
    expect(topics({ MODE: 'shadow', KAFKA_OUTCOME_TOPIC: 'told' }).outcomeTopic).toBe('told.shadow')
    expect(topics({ MODE: 'shadow', KAFKA_SHADOW_TOPIC: 'tried' }).outcomeTopic).toBe('tried')
    expect(wrongFor({ KAFKA_SHADOW_TOPIC: 'x', KAFKA_DEAD_LETTER_TOPIC: 'x' })).toEqual([
      'KAFKA_SHADOW_TOPIC',
    ])
    expect(wrongFor({ MODE: 'dry-run' })).toEqual(['MODE'])
  })

  test('has defaults for all but what nobody can know', () => {
    expect(readConfig(required)).toMatchObject({
      kafka: {
        brokers: ['kafka-1:9092', '[::1]:9093'],
        topics: { names: ['session-events'], patterns: [] },
        outcomeTopic: 'session-events',
        deadLetterTopic: 'session-events.dead-letter',
        groupId: 'logout-relay',
        startFrom: 'latest',
      },
      redis: { prefix: 'lr' },
      issuers: { issuer: required.ISSUER, signingKeysFile: required.SIGNING_KEYS_FILE },
      egress: { allowHttp: false, allow: [] },
      delivery: {
        attemptTimeoutMs: 10_000,
        maxInFlightPerRp: 8,
        userSignedOutWithoutSession: 'fan-out',
        lateAfterMs: 3_600_000,
        retry: { deadlineMs: 86_400_000, doubtfulDelaysMs: [31_000, 120_000, 660_000] },
      },
      http: { port: 8_080 },
      service: { logLevel: 'info' },
    })
  })

  test('what is empty counts as not given, and what nobody here knows is left alone', () => {
    const env = { ...required, KAFKA_GROUP_ID: '', PORT: '', SOMETHING_ELSE: 'x' }
    expect(readConfig(env)).toEqual(readConfig(required))
    expect(problems({ ...required, ISSUER: '' }).names).toEqual(['ISSUER'])
  })

  test('a required option that is misspelt is named as it was written, without its value', () => {
    const { REDIS_URL, ...others } = required
    const { names, message } = problems({ ...others, REDIS_URI: REDIS_URL })
    expect(names).toEqual(['REDIS_URL'])
    expect(message).toMatch(/REDIS_URL: is required\b.* REDIS_URI\b/m)
    expect(message).not.toContain('secret')
  })

  test('reads every kind of value', () => {
    const config = readConfig({
      ...required,
      KAFKA_TOPICS: ' a , b.c,a,',
      EGRESS_ALLOW_HTTP: '1',
      EGRESS_ALLOW: 'localhost, 10.0.0.0/8,fd00::/8',
      RETRY_DOUBTFUL_DELAYS_MS: '0',
      PORT: '0',
    })
    expect(config).toMatchObject({
      kafka: {
        topics: { names: ['a', 'b.c'], patterns: [] },
        outcomeTopic: 'a',
        deadLetterTopic: 'a.dead-letter',
      },
      egress: { allowHttp: true, allow: ['localhost', '10.0.0.0/8', 'fd00::/8'] },
      delivery: { retry: { doubtfulDelaysMs: [] } },
      http: { port: 0 },
    })
  })

  test('a part is read although the rest is wrong, and what is wrong with the part is named', () => {
    const env = { ...required, REDIS_URL: 'x', PORT: 'x', ISSUER: 'x' }
    const { kafka, registry, issuers } = layout
    const { signingKeysFile } = issuers
    expect(readConfigPart({ topics: kafka.topics, registry, issuers: { signingKeysFile } }, env)).toEqual({
      topics: readConfig(required).kafka.topics,
      registry: readConfig(required).registry,
      issuers: { signingKeysFile: required.SIGNING_KEYS_FILE },
    })
    expect(() => readConfigPart([kafka, issuers], env)).toThrow(/ 1 problem:\n {2}ISSUER: /)
  })

  test('everything that is missing is named at once', () => {
    const { names, message } = problems({})
    expect(names).toEqual(Object.keys(required).sort())
    expect(message).toContain('4 problems')
    expect(message.match(/is required/g)).toHaveLength(4)
  })

  const wrong: Record<string, string[]> = {
    KAFKA_BROKERS: [
      'kafka',
      'kafka:',
      ':9092',
      'http://kafka:9092',
      ',',
      'a:1,b',
      'a:0',
      'a:65536',
      'u:p@a:1',
      '::1:9092',
    ],
    KAFKA_TOPICS: [',', 'a b', 'ä', 'x'.repeat(250), '*', 'a,**', 'kc\\.events\\..*'],
    KAFKA_OUTCOME_TOPIC: ['a/b'],
    KAFKA_DEAD_LETTER_TOPIC: ['a,b', 'session-events'],
    KAFKA_START_FROM: ['newest', 'LATEST'],
    REDIS_URL: [
      ...[
        'localhost',
        'http://redis:6379',
        'redis://',
        'redis',
        'redis://h:0',
        'redis://h:65536',
        'redis://h/one',
      ],
      // A user or password with a character that means something in a URL.
      ...['redis://:50%off@h', 'rediss://50%:x@h', 'redis://:a%zz@h', 'redis://:%@h', 'redis://:%c3@h'],
      ...['redis://:pa/ss@h', 'redis://:pa#ss@h', 'redis://:pa?ss@h'],
    ],
    REDIS_PREFIX: ['a b', '{x}', 'x'.repeat(65)],
    ISSUER: [
      'op.example',
      'ftp://op.example',
      'https://op.example/?x=1',
      'https://op.example/#x',
      'https://op.example/a|b',
      'https://op.example/ ',
    ],
    USER_SIGNED_OUT_WITHOUT_SESSION: ['yes'],
    EGRESS_ALLOW_HTTP: ['yes', 'TRUE', '2'],
    EGRESS_ALLOW: ['10.0.0.0/99', 'a b', 'https://rp.example', 'fine.example,127.1', '::ffff:10.0.0.0/104'],
    ATTEMPT_TIMEOUT_MS: ['0', '-1', '1.5', '1e4', 'ten', '99999999999999999999'],
    RETRY_DOUBTFUL_DELAYS_MS: ['a', '-1', '1,2,x', '1.5'],
    RETRY_MAX_ATTEMPTS: ['0'],
    MAX_IN_FLIGHT: ['0', 'NaN', 'Infinity', '0x10'],
    PORT: ['65536', 'http'],
    LOG_LEVEL: ['verbose', 'INFO'],
  }

  test.each(Object.entries(wrong))('%s', (name, values) => {
    for (const value of values) expect([value, wrongFor({ [name]: value })]).toEqual([value, [name]])
  })

  test('every wrong option is named at once, and no value is quoted', () => {
    const secret = 'pa55 word!|'
    const env = Object.fromEntries(Object.keys(wrong).map((name) => [name, secret]))
    const { names, message } = problems({ ...required, ...env })
    expect(names).toEqual(Object.keys(wrong).sort())
    expect(message).not.toContain('pa55')
  })

  test.each([
    ['KAFKA_DEAD_LETTER_TOPIC', { KAFKA_TOPICS: 'a,b', KAFKA_DEAD_LETTER_TOPIC: 'b' }],
    ['KAFKA_DEAD_LETTER_TOPIC', { KAFKA_TOPICS: 'a,a.dead-letter' }],
    ['KAFKA_DEAD_LETTER_TOPIC', { KAFKA_TOPICS: 'a.*', KAFKA_OUTCOME_TOPIC: 'o' }],
    ['KAFKA_OUTCOME_TOPIC', { KAFKA_TOPICS: 'a.*,*.b', KAFKA_DEAD_LETTER_TOPIC: 'd' }],
    ['RETRY_LEASE_MS', { RETRY_LEASE_MS: '6250', ATTEMPT_TIMEOUT_MS: '5000' }],
    ['RETRY_LEASE_MS', { RETRY_LEASE_MS: '65000', ATTEMPT_TIMEOUT_MS: '60000' }],
    ['RETRY_MAX_DELAY_MS', { RETRY_BASE_DELAY_MS: '2000', RETRY_MAX_DELAY_MS: '1999' }],
  ])('%s conflicts with another option: %j', (name, env) => {
    expect(wrongFor(env)).toEqual([name])
  })

  test('a list that is wrong in each entry is not told of entry by entry', () => {
    const { names, message } = problems({ ...required, EGRESS_ALLOW: '@,/,'.repeat(2_000) })
    expect(new Set(names)).toEqual(new Set(['EGRESS_ALLOW']))
    expect(message.length).toBeLessThan(2_000)
  })

  test('conflicts are named beside what is wrong by itself', () => {
    expect(wrongFor({ RETRY_LEASE_MS: '5000', ATTEMPT_TIMEOUT_MS: '5000', PORT: 'x' })).toEqual([
      'PORT',
      'RETRY_LEASE_MS',
    ])
  })

  test('names and patterns of topics are told apart; what the relay writes itself is no input of a pattern', () => {
    const { kafka } = readConfig({ ...required, KAFKA_TOPICS: 'a.*,b,*c*', MODE: 'shadow' })
    expect(kafka).toMatchObject({
      topics: { names: ['b'], patterns: ['a.*', '*c*'] },
      outcomeTopic: 'b.shadow',
      deadLetterTopic: 'b.dead-letter',
    })
    expect(kafka.topics.excluded).toEqual(['b', 'b.shadow', 'b.dead-letter'])
  })

  test('every option has one place', () => {
    expect(optionsIn(layout).sort()).toEqual(Object.keys(optionsSchema.shape).sort())
  })

  test('every option says what it means', () => {
    for (const [name, schema] of Object.entries(optionsSchema.shape)) {
      expect([name, schema.description]).toEqual([name, expect.stringMatching(/\.$/)])
    }
  })
})
