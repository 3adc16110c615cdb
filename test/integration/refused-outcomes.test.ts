import { afterEach, beforeEach, expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { relayCommand } from '../support/relay-command.ts'
import type { RegistrationInput, RelaySite } from '../support/relay-site.ts'
import { TopicLog } from '../support/topic-log.ts'
import { openSite } from './open-site.ts'

let site: RelaySite
let outcomes: TopicLog

beforeEach(async () => {
  site = await openSite()
  outcomes = await TopicLog.create(site.kafkaBrokers, `${site.topic.name}.outcomes`)
  await outcomes.takeBatches(1)
})
afterEach(async () => {
  await outcomes.close()
  await site.close()
})

const env = () => ({ KAFKA_OUTCOME_TOPIC: outcomes.name })

/** Resolves when Redis says that the RP has been told. */
async function noted({ sessionId, oidcSessionId }: RegistrationInput): Promise<void> {
  await eventually(async () => {
    const held = JSON.parse((await site.redis.hget(site.sessionKey(sessionId), oidcSessionId)) ?? '{}')
    expect(held.pendingOutcome?.outcome).toMatchObject({ kind: 'sent', attempts: 1 })
  })
}

test('an RP that was told is not told again by the successor of a relay that died before it could publish', async () => {
  const registration = site.registration('/told')
  await site.registerInRedis(registration)
  const relay = await site.startRelay(env())
  await site.topic.publish(site.terminated(registration, { id: 'trigger-1' }))
  await noted(registration)
  const { status, stdout } = await relayCommand(
    ['trace', registration.sessionId],
    site.commandEnvironment(env()),
  )
  expect(status).toBe(1)
  expect(stdout).toContain('sent (Kafka has not acknowledged the outcome yet)')
  expect(stdout).toContain('1 RP: 1 owed (Kafka has not acknowledged the outcome yet)')
  await relay.kill()
  await outcomes.takeBatches(1_000_000)
  await site.startRelay(env())
  const { data, headers } = await outcomes.waitForOutcome(registration.clientId)
  expect(headers.ce_type).toBe('backchannel-logout-sent')
  const [told] = site.rps.at('/told')
  expect(data).toMatchObject({
    attempts: 1,
    status: 200,
    jti: told?.claims.jti,
    trigger: { id: 'trigger-1' },
  })
  await eventually(async () => expect(await site.redisKeys('session:*')).toEqual([]))
  await eventually(async () => expect(await site.topic.lag(site.groupId)).toBe(0))
  expect(site.rps.at('/told')).toHaveLength(1)
})

test('a registration that is made anew under the same id is told again', async () => {
  const registration = site.registration('/anew')
  await site.registerInRedis(registration)
  const relay = await site.startRelay(env())
  await site.topic.publish(site.terminated(registration))
  await noted(registration)
  await relay.kill()
  // The user has logged in again.
  await site.registerInRedis(registration)
  await outcomes.takeBatches(1_000_000)
  await site.startRelay(env())
  await outcomes.waitForOutcome(registration.clientId)
  expect(site.rps.at('/anew')).toHaveLength(2)
})

test('Redis emptied while an outcome waits for Kafka: the relay that holds it publishes it, and tells nobody again', async () => {
  const registration = site.registration('/emptied')
  await site.topic.publish(site.registered(registration))
  await site.startRelay(env())
  await eventually(async () => expect(await site.redisKeys('session:*')).toHaveLength(1))
  await site.topic.publish(site.terminated(registration))
  await noted(registration)
  await site.redis.del(await site.redisKeys())
  // The registry is built again from the topic, and the trigger is run once more: it joins the delivery under way.
  await eventually(async () => expect(await site.redisKeys('session:*')).toHaveLength(1))
  await outcomes.takeBatches(1_000_000)
  await outcomes.waitForOutcome(registration.clientId)
  await eventually(async () => expect(await site.redisKeys('session:*')).toEqual([]))
  await eventually(async () => expect(await site.topic.lag(site.groupId)).toBe(0))
  expect(site.rps.at('/emptied')).toHaveLength(1)
})

test('outcomes above max.message.bytes, many together and one alone: each is on the topic, and the relay goes on', async () => {
  const long = 'i'.repeat(1_000)
  const many = Array.from({ length: 60 }, (_, i) => site.registration(`/many-${i}`))
  const large = site.registration('/large', { oidcSessionId: long, sid: long, sub: long })
  await site.registerInRedis(large, ...many)
  const relay = await site.startRelay({ ...env(), LOG_LEVEL: 'info' })
  // While nothing is taken, more comes together than the topic will take of one batch.
  await site.topic.publish(...[large, ...many].map((it) => site.terminated(it)))
  await noted(large)
  for (const it of many) await noted(it)
  await outcomes.takeBatches(2_500)
  for (const { clientId } of many) await outcomes.waitForOutcome(clientId)
  const { data, headers } = await outcomes.waitForOutcome(large.clientId)
  expect(data).toMatchObject({ sessionId: large.sessionId, oidcSessionId: long, status: 200 })
  expect(headers['outcome-cut']).toBe('details')
  await relay.waitForLog(({ part }) => part === 'kafka-record-cut')
  await eventually(async () => expect(await site.topic.lag(site.groupId)).toBe(0))
  await eventually(async () => expect(await site.redisKeys('session:*')).toEqual([]))
})
