import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { SeededRandom } from '../chaos/seeded-random.ts'
import { eventually } from '../support/eventually.ts'
import { ISSUER } from '../support/relay-site.ts'
import { replaceFile } from '../support/signing-key-file.ts'
import { TopicLog } from '../support/topic-log.ts'
import { openSite } from './open-site.ts'

const CLIENTS = ['shop', 'wiki', 'mail']
const PARTITIONS = 3
const SESSIONS = 120
/** Records that are written at a time. */
const SLICE = 20

// Listeners of Keycloak write no keys, and admin events to a topic of their own.
test('logins and logouts without keys, in any partition of two topics and in any order: all RPs of an ended session hear, and later logins live', async () => {
  const site = await openSite({ topic: { partitions: PARTITIONS } })
  onTestFinished(() => site.close())
  const admin = await TopicLog.create(site.kafkaBrokers, `${site.topic.name}.admin`, {
    partitions: PARTITIONS,
  })
  onTestFinished(() => admin.close())
  const file = join(site.folder, 'mapping.yaml')
  const topics = [site.topic.name, admin.name]
  await replaceFile(file, JSON.stringify({ mappings: [{ topics, preset: 'keycloak', issuer: ISSUER }] }))
  for (const clientId of CLIENTS) {
    const settings = { backchannelLogoutUri: site.rps.uri(`/${clientId}`) }
    await site.redis.hset(`${site.prefix}:client:{${ISSUER}|${clientId}}`, settings)
  }
  await site.startRelay({
    ...{ MAPPING_FILE: file, KAFKA_TOPICS: topics.join(','), KAFKA_OUTCOME_TOPIC: site.topic.name },
    KAFKA_DEAD_LETTER_TOPIC: site.deadLetterTopic,
  })
  const random = new SeededRandom(22, 'any order')
  const beganMs = Date.now() - 120_000
  const user = (type: string, timeMs: number, ids: object) =>
    JSON.stringify({ id: randomUUID(), time: timeMs, type, realmId: 'r-1', error: null, ...ids })
  const ofAdmin = (operationType: string, resourcePath: string) =>
    JSON.stringify({
      ...{ id: randomUUID(), time: beganMs + 60_000, realmId: 'r-1', operationType, resourcePath },
      ...{ representation: '{"offline":false,"enabled":false}', error: null },
    })
  const ends: readonly ((sessionId: string, userId: string) => [TopicLog, string])[] = [
    (sessionId, userId) => [site.topic, user('LOGOUT', beganMs + 60_000, { sessionId, userId })],
    (sessionId, userId) => [
      site.topic,
      user('USER_SESSION_DELETED', beganMs + 60_000, { sessionId, userId }),
    ],
    (sessionId) => [admin, ofAdmin('DELETE', `sessions/${sessionId}`)],
    (_, userId) => [admin, ofAdmin('ACTION', `users/${userId}/logout`)],
    (_, userId) => [admin, ofAdmin('UPDATE', `users/${userId}`)],
  ]
  const over: string[] = []
  const alive: string[] = []
  const records: [TopicLog, string][] = []
  for (let i = 0; i < SESSIONS; i++) {
    const userId = randomUUID()
    for (const isLater of [false, true]) {
      const sessionId = randomUUID()
      const clients = CLIENTS.filter(() => random.next() < 0.7)
      for (const clientId of clients) {
        const timeMs = beganMs + (isLater ? 90_000 : random.between(0, 50_000))
        const ids = { sessionId, userId, clientId }
        records.push([site.topic, user('LOGIN', timeMs, ids)])
        records.push([site.topic, user('CODE_TO_TOKEN', timeMs, ids)])
        ;(isLater ? alive : over).push(`${sessionId}/${clientId}`)
      }
      if (!isLater) records.push(random.pick(ends)(sessionId, userId))
    }
  }
  const order = records.map((record) => ({ record, at: random.next() })).sort((a, b) => a.at - b.at)
  for (let i = 0; i < order.length; i += SLICE) {
    const slice = order.slice(i, i + SLICE)
    for (const topic of [site.topic, admin]) {
      const values = slice.flatMap(({ record: [to, value] }) => (to === topic ? [value] : []))
      const messages = values.map((value) => ({
        key: null,
        value,
        partition: random.between(0, PARTITIONS - 1),
      }))
      await topic.publish(...messages)
    }
  }
  const told = () => new Set(site.topic.outcomes.map(({ data }) => `${data.sessionId}/${data.clientId}`))
  await eventually(() => expect(over.filter((name) => !told().has(name))).toEqual([]))
  await eventually(async () => {
    for (const topic of [site.topic, admin]) expect(await topic.lag(site.groupId)).toBe(0)
  })
  expect([...told()].sort()).toEqual(over.toSorted())
  for (const { headers } of site.topic.outcomes) expect(headers.ce_type).toBe('backchannel-logout-sent')
  for (const name of alive) {
    const [sessionId = '', clientId = ''] = name.split('/')
    expect(await site.redis.hexists(site.sessionKey(sessionId), clientId), name).toBe(1)
  }
})
