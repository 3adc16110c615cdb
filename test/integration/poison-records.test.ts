import { randomBytes, randomUUID } from 'node:crypto'
import type { Message } from 'kafkajs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { inputRecord } from '../support/input-record.ts'
import { readMetric } from '../support/relay-metrics.ts'
import type { RelayProcess } from '../support/relay-process.ts'
import type { RelaySite } from '../support/relay-site.ts'
import { TopicLog } from '../support/topic-log.ts'
import { openSite } from './open-site.ts'

/** Stands in every poison record, so that it can be looked for where it must not be. */
const SECRET = 'S3cretContent'
const LARGE_BYTES = 5_000_000

let site: RelaySite
let relay: RelayProcess
let deadLetters: TopicLog

beforeAll(async () => {
  // One partition, so that a record that stops it stops everything behind it.
  site = await openSite({ topic: { partitions: 1, config: { 'max.message.bytes': '8000000' } } })
  relay = await site.startRelay({ LOG_LEVEL: 'debug' })
  deadLetters = await TopicLog.follow(site.kafkaBrokers, site.deadLetterTopic)
})
afterAll(async () => {
  await deadLetters?.close()
  await site.close()
})

const registered = (data: Record<string, unknown>) =>
  inputRecord('backchannel-logout-registered', {
    ...{ sessionId: SECRET, oidcSessionId: 'o', clientId: 'c', userId: 'u' },
    ...{ backchannelLogoutUri: 'https://rp.example/logout' },
    ...data,
  })
const terminated = (data: Record<string, unknown>) => inputRecord('session-terminated', data)
const badUri = (backchannelLogoutUri: unknown) => registered({ backchannelLogoutUri })

const poison: Record<string, Message> = {
  'headers named after what every object has': {
    value: SECRET,
    headers: JSON.parse('{"constructor":"a","toString":"b","__proto__":"c"}') as Record<string, string>,
  },
  'not JSON': { value: `{"type": ${SECRET}` },
  'half a JSON document': { value: `{"type":"session-terminated","sessionId":"${SECRET}` },
  'a JSON list': { value: JSON.stringify([SECRET]) },
  'a JSON number': { value: '42' },
  'JSON null': { value: 'null' },
  'no type': { value: JSON.stringify({ sessionId: SECRET }) },
  'a type that is no string': { value: JSON.stringify({ type: 7, sessionId: SECRET }) },
  'a session id that is no string': terminated({ sessionId: 12345678 }),
  'an empty session id': terminated({ sessionId: '', userId: SECRET }),
  'no session id': terminated({ userId: SECRET }),
  'a session id with a line break': terminated({ sessionId: `a\n${SECRET}` }),
  'a session id of 5,000 characters': terminated({ sessionId: SECRET.repeat(400) }),
  'data that is no object': { value: JSON.stringify(SECRET), headers: { ce_type: 'session-terminated' } },
  'no user id': inputRecord('user-signed-out', { sessionId: SECRET }),
  'an empty user id': inputRecord('user-signed-out', { userId: '' }),
  'a registration without a client': registered({ clientId: undefined }),
  'a registration with an unknown algorithm': registered({ alg: 'HS256' }),
  'a registration with an unreadable time': registered({ registeredAt: `${SECRET} o'clock` }),
  'a URI that is relative': badUri(`/${SECRET}`),
  'a URI without a scheme': badUri(`//rp.example/${SECRET}`),
  'a URI with a fragment': badUri(`https://rp.example/#${SECRET}`),
  'a URI with credentials': badUri(`https://user:${SECRET}@rp.example/`),
  'a URI of another scheme': badUri(`file:///etc/${SECRET}`),
  'a javascript URI': badUri(`javascript:alert('${SECRET}')`),
  'a URI that is no string': badUri({ uri: SECRET }),
  'a schema-registry magic byte': {
    value: Buffer.concat([Buffer.from([0, 0, 0, 0, 7]), Buffer.from(SECRET)]),
  },
  'bytes that are not UTF-8': { value: Buffer.concat([Buffer.from('{"type":"'), Buffer.from([0xff, 0xfe])]) },
  'random bytes': { value: Buffer.concat([Buffer.from([1]), randomBytes(512)]) },
  'a batch of CloudEvents that is no list': {
    value: `{"specversion":"1.0","id":"${SECRET}"}`,
    headers: { 'content-type': 'application/cloudevents-batch+json' },
  },
  'a structured CloudEvent without data': {
    value: JSON.stringify({ specversion: '1.0', id: SECRET, source: '/', type: 'session-terminated' }),
    headers: { 'content-type': 'application/cloudevents+json' },
  },
  'a structured CloudEvent that is a list': {
    value: `["${SECRET}"]`,
    headers: { 'content-type': 'application/cloudevents+json' },
  },
  'a value of 5 MB': {
    value: JSON.stringify({ type: 'session-terminated', sessionId: SECRET, x: 'x'.repeat(LARGE_BYTES) }),
  },
}

test('each poison record becomes a dead letter with its bytes, reason and origin, and the partition goes on', async () => {
  const names = Object.keys(poison)
  const good = site.registration('/after-poison')
  const messages = names.map((name) => {
    const record = poison[name] as Message
    return {
      ...record,
      key: record.key ?? `key of ${name}`,
      headers: { ...record.headers, 'test-name': name },
    }
  })
  await site.topic.publish(...messages, site.registered(good), site.terminated(good))
  await site.topic.waitForOutcome(good.clientId)

  for (const [i, name] of names.entries()) {
    const letter = await deadLetters.waitFor(({ headers }) => headers['test-name'] === name)
    const { key, value, headers } = messages[i] as Message
    expect(letter.value?.equals(Buffer.from(value ?? '')), name).toBe(true)
    expect(letter.key, name).toBe(key)
    expect(letter.headers, name).toMatchObject(headers ?? {})
    expect(letter.headers, name).toMatchObject({
      'dead-letter-reason': expect.stringMatching(/^[\w.-]+: \S/),
      'dead-letter-topic': site.topic.name,
      'dead-letter-partition': '0',
      'dead-letter-offset': String(i),
      'dead-letter-timestamp': expect.stringMatching(/^\d{13}$/),
    })
    expect(letter.headers['dead-letter-reason'], name).not.toContain(SECRET)
  }
  expect(await readMetric(relay, 'dead_letters_total')).toBe(names.length)
  await eventually(async () => expect(await site.topic.lag(site.groupId)).toBe(0))
  await deadLetters.caughtUp()
  expect(deadLetters.records).toHaveLength(names.length)
})

test('the log tells where a poison record stands, and nothing of its content', async () => {
  const lines = relay.log.filter(({ msg }) => msg === 'poison record')
  expect(lines).toHaveLength(Object.keys(poison).length)
  expect(lines[0]).toMatchObject({ level: 'warn', topic: site.topic.name, partition: 0, offset: 0 })
  expect(JSON.stringify(relay.log)).not.toContain(SECRET)
})

test('records of an unknown type, without a value or with unknown fields are no poison', async () => {
  const before = await readMetric(relay, 'dead_letters_total')
  const good = site.registration('/unknown-fields', { someFutureField: { nested: [1] } })
  await site.topic.publish(
    inputRecord('session-refreshed', { sessionId: randomUUID() }),
    inputRecord('session-refreshed', { sessionId: randomUUID() }, { format: 'cloudevents-structured' }),
    inputRecord('session-refreshed', { sessionId: randomUUID() }, { format: 'plain-json' }),
    { key: 'unparsed', value: 'no JSON', headers: { ce_type: 'somebody.elses' } },
    { key: 'tombstone', value: null },
    { key: 'empty', value: '' },
    { key: 'tombstone', value: null, headers: { ce_type: 'session-terminated' } },
    site.registered(good),
    inputRecord('session-terminated', { sessionId: good.sessionId, future: true }),
  )
  await site.topic.waitForOutcome(good.clientId)
  expect(await readMetric(relay, 'records_skipped_total', { reason: 'unknown-type' })).toBe(4)
  expect(await readMetric(relay, 'records_skipped_total', { reason: 'empty' })).toBe(3)
  expect(await readMetric(relay, 'dead_letters_total')).toBe(before)
})

test('a registration in Redis that cannot be read ends as failed: invalid, beside the others of its session', async () => {
  const good = site.registration('/beside-broken')
  await site.registerInRedis(good)
  const key = site.sessionKey(good.sessionId)
  await site.redis.hset(key, {
    'not-json': `{${SECRET}`,
    'bad-uri': JSON.stringify({ ...good, clientId: 'bad-uri', backchannelLogoutUri: `ftp://${SECRET}/` }),
  })
  await site.topic.publish(site.terminated(good))
  await site.topic.waitForOutcome(good.clientId)
  for (const oidcSessionId of ['not-json', 'bad-uri']) {
    const { headers, data } = await site.topic.waitFor((it) => it.data.oidcSessionId === oidcSessionId)
    expect(headers.ce_type).toBe('backchannel-logout-failed')
    expect(data).toMatchObject({ reason: 'invalid', attempts: 0, sessionId: good.sessionId })
  }
  await eventually(async () => expect(await site.redis.exists(key)).toBe(0))
})

test('a header without a value does not stop the partition', async () => {
  const good = site.registration('/after-null-header')
  const headers = { ce_type: null, 'content-type': null, note: null } as unknown as Record<string, string>
  const value = JSON.stringify({ type: 'session-terminated' })
  await site.topic.publish({ key: 'null header', value, headers })
  await site.topic.publish(site.registered(good), site.terminated(good))
  await site.topic.waitForOutcome(good.clientId)
  await deadLetters.waitFor(({ key }) => key === 'null header')
})
