import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { relayCommand } from '../support/relay-command.ts'
import { readMetric } from '../support/relay-metrics.ts'
import type { RelayProcess } from '../support/relay-process.ts'
import type { RegistrationInput, RelaySite } from '../support/relay-site.ts'
import { TopicLog } from '../support/topic-log.ts'
import { openSite } from './open-site.ts'

let site: RelaySite
let created: TopicLog[]

beforeEach(async () => {
  site = await openSite({ env: { CHECK_INTERVAL_MS: '200' } })
  created = []
})
afterEach(async () => {
  await Promise.all(created.map((topic) => topic.close()))
  await site.close()
})

/** Of a platform with a topic for each type of its events. The topic of the site holds the outcomes alone. */
const settings = () => ({
  KAFKA_TOPICS: `${site.topic.name}.kc.*`,
  KAFKA_OUTCOME_TOPIC: site.topic.name,
  KAFKA_DEAD_LETTER_TOPIC: site.deadLetterTopic,
})
const startRelay = () => site.startRelay(settings())
const createTopic = async (type: string, partitions = 1): Promise<TopicLog> => {
  const topic = await TopicLog.create(site.kafkaBrokers, `${site.topic.name}.kc.${type}`, { partitions })
  created.push(topic)
  return topic
}
const logins = (path: string, count: number) => Array.from({ length: count }, () => site.registration(path))
const told = (path: string) => site.rps.at(path).map(({ claims }) => claims.sid)
const sids = (registrations: readonly RegistrationInput[]) =>
  registrations.map(({ sessionId }) => sessionId).sort()
const publishAll = async (topic: TopicLog, all: readonly RegistrationInput[]) => {
  await topic.publish(...all.map((it) => site.registered(it)))
  await topic.publish(...all.map((it) => site.terminated(it)))
}
const warnings = (relay: RelayProcess) => readMetric(relay, 'check_findings', { check: 'topic-pattern' })

describe('a topic that appears while its pattern is followed is read from its beginning:', () => {
  test('the first logout of a platform that has written nothing before', async () => {
    const relay = await startRelay()
    await eventually(async () => expect(await warnings(relay)).toBe(1))
    const [login] = logins('/first', 1) as [RegistrationInput]
    await publishAll(await createTopic('logout'), [login])
    await site.topic.waitForOutcome(login.clientId, login.sessionId)
    await eventually(async () => expect(await warnings(relay)).toBe(0))
    expect(told('/first')).toEqual([login.sessionId])
  })

  test('two replicas share it, and every session is told once', async () => {
    await Promise.all([startRelay(), startRelay()])
    const first = logins('/first', 40)
    await publishAll(await createTopic('login', 4), first)
    await eventually(() => expect(told('/first').sort()).toEqual(sids(first)))
    const second = logins('/second', 40)
    await publishAll(await createTopic('logout', 4), second)
    await eventually(() => expect(told('/second').sort()).toEqual(sids(second)))
    expect(told('/first')).toHaveLength(first.length)
  })

  test('after a restart, whether anything matched before or not', async () => {
    for (const type of ['login', 'logout']) {
      const relay = await startRelay()
      expect(await relay.stop()).toBe(0)
      const all = logins(`/${type}`, 5)
      await publishAll(await createTopic(type), all)
      const next = await startRelay()
      await eventually(() => expect(told(`/${type}`).sort()).toEqual(sids(all)))
      expect(await next.stop()).toBe(0)
    }
  })

  test('after a restart with a Redis that was emptied: Kafka knows what the group follows', async () => {
    const before = logins('/before', 5)
    await publishAll(await createTopic('login'), before)
    const relay = await startRelay()
    const [login] = logins('/known', 1) as [RegistrationInput]
    await publishAll(created[0] as TopicLog, [login])
    await site.topic.waitForOutcome(login.clientId, login.sessionId)
    expect(await relay.stop()).toBe(0)
    const all = logins('/logout', 5)
    await publishAll(await createTopic('logout'), all)
    await site.redis.del(await site.redisKeys())
    await startRelay()
    await eventually(() => expect(told('/logout').sort()).toEqual(sids(all)))
    expect(told('/before')).toEqual([])
  })
})

test('a topic that was there before its pattern was configured begins as at a first start: old logouts are not sent', async () => {
  const named = await createTopic('login')
  const old = await createTopic('logout')
  const over = logins('/over', 5)
  const alive = logins('/alive', 5)
  await publishAll(old, over)
  await old.publish(...alive.map((it) => site.registered(it)))
  // By name at first: one of the topics is known to the group when the pattern comes.
  const relay = await site.startRelay({ ...settings(), KAFKA_TOPICS: named.name })
  expect(await relay.stop()).toBe(0)
  await startRelay()
  await named.publish(...alive.map((it) => site.terminated(it)))
  await eventually(() => expect(told('/alive').sort()).toEqual(sids(alive)))
  await eventually(async () => expect(await site.redisKeys('session:*')).toEqual([]))
  expect(told('/over')).toEqual([])
})

test('a topic that is deleted leaves without a finding, the others are read, and it may come back', async () => {
  const [kept, deleted] = [await createTopic('login'), await createTopic('logout')]
  const relay = await startRelay()
  const readTopics = async () => {
    const text = await (await fetch(`${relay.url}/metrics`)).text()
    return new Set([...text.matchAll(/consumer_lag_records\{topic="([^"]+)"/g)].map(([, topic]) => topic))
  }
  await eventually(async () => expect(await readTopics()).toEqual(new Set([kept.name, deleted.name])))
  await deleted.close()
  await site.topic.deleteTopic(deleted.name)
  await eventually(async () => expect(await readTopics()).toEqual(new Set([kept.name])))
  const during = logins('/during', 5)
  await publishAll(kept, during)
  await eventually(() => expect(told('/during').sort()).toEqual(sids(during)))
  expect(await readMetric(relay, 'check_findings', { check: 'topic-missing' })).toBe(0)
  const again = logins('/again', 5)
  await publishAll(await createTopic('logout'), again)
  await eventually(() => expect(told('/again').sort()).toEqual(sids(again)))
})

test('the only topic is deleted, and another one appears', async () => {
  const only = await createTopic('login')
  const relay = await startRelay()
  await only.close()
  await site.topic.deleteTopic(only.name)
  await eventually(async () => expect(await warnings(relay)).toBe(1))
  await eventually(async () => expect((await fetch(`${relay.url}/readyz`)).status).toBe(200))
  const all = logins('/next', 5)
  await publishAll(await createTopic('logout'), all)
  await eventually(() => expect(told('/next').sort()).toEqual(sids(all)))
})

test('every command reads what the relay reads', async () => {
  const relay = await startRelay()
  const topic = await createTopic('login')
  const [sent, alive] = logins('/rp', 2) as [RegistrationInput, RegistrationInput]
  await topic.publish(site.registered(alive))
  await publishAll(topic, [sent])
  await site.topic.waitForOutcome(sent.clientId, sent.sessionId)
  const env = site.commandEnvironment(settings())

  const trace = await relayCommand(['trace', sent.sessionId], env)
  expect(trace.stdout).toContain(`${topic.name}/0/`)
  const replay = await relayCommand(['replay', '--from', '1h', '--dry-run', '--json'], env)
  expect(replay.rows.at(-1)).toMatchObject({ matching: 1, owed: 0 })
  const doctor = await relayCommand(['doctor', '--json'], env)
  const about = (name: string) => doctor.rows.filter(({ check }) => check === name).map((it) => it.about)
  expect(about('topic-pattern')).toEqual([settings().KAFKA_TOPICS])
  expect(about('group-lag')).toEqual([topic.name])

  // A trigger that is written to a topic which a pattern would bring is no mistake; without a name there is none to take.
  const unnamed = await relayCommand(['send', 'session-terminated', '--session', alive.sessionId], env)
  expect([unnamed.status, unnamed.stderr]).toEqual([2, expect.stringContaining('--topic')])

  await relay.kill()
  await site.redis.del(await site.redisKeys())
  const reconcile = await relayCommand(['reconcile', '--json'], env)
  expect(reconcile.status, reconcile.stderr).toBe(0)
  expect(await site.redis.exists(site.sessionKey(alive.sessionId))).toBe(1)
  expect(await site.redis.exists(site.sessionKey(sent.sessionId))).toBe(0)
  await startRelay()
  const send = ['send', 'session-terminated', '--session', alive.sessionId, '--topic', topic.name, '--wait']
  const named = await relayCommand(send, env)
  expect(named.status, named.stderr).toBe(0)
  expect(named.stderr).not.toContain('no relay with these settings reads it')
  expect(told('/rp').sort()).toEqual(sids([sent, alive]))
})
