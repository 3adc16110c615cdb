import { setTimeout as delay } from 'node:timers/promises'
import { expect, test, vi } from 'vitest'
import { startKafkaCluster } from '../stack/kafka-cluster.ts'
import type { RegistrationInput } from '../support/relay-site.ts'
import { end } from '../support/relying-party-server.ts'
import { TopicLog } from '../support/topic-log.ts'
import { Drill } from './drill.ts'

const WITH_RULES = {
  'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
  'allow.everyone.if.no.acl.found': 'true',
}

test('LogoutRelayLagGrowing: more is published than one replica sends', async () => {
  const env = { MAX_IN_FLIGHT: '1', MAX_UNSETTLED: '50' }
  await using drill = await Drill.open('LogoutRelayLagGrowing', {
    replicas: 4,
    topic: { partitions: 4 },
    env,
  })
  const { site } = drill
  await drill.startRelay()
  // One attempt at a time, 25 ms each: 40 a second, where 80 come.
  const paths = Array.from({ length: 20 }, (_, rp) => `/slow/${rp}`)
  for (const path of paths) {
    site.rps.uri(path, (_request, response) => void delay(25).then(() => end(response, 200)))
  }
  const published: RegistrationInput[] = []
  const publish = async (count: number) => {
    const more = Array.from({ length: count }, (_, i) => site.registration(paths[i % paths.length] as string))
    await site.registerInRedis(...more)
    await site.topic.publish(...more.map((it) => site.terminated(it)))
    published.push(...more)
  }
  await publish(1_200)
  let isGrowing = true
  const growing = (async () => {
    while (isGrowing) {
      await publish(20)
      await delay(250)
    }
  })()
  await drill.fires({ topic: site.topic.name })
  expect(await drill.metric('logout_relay_deliveries_unsettled')).toBeGreaterThan(25)

  await Promise.all([1, 2, 3].map((replica) => drill.startRelay({}, replica)))
  await drill.resolves()
  isGrowing = false
  await growing
  const told = () => paths.reduce((sum, path) => sum + site.rps.at(path).length, 0)
  await vi.waitFor(() => expect(told()).toBe(published.length), { timeout: 60_000 })
})

test('LogoutRelayDeadLetters: a producer that forgets the session', async () => {
  await using drill = await Drill.open('LogoutRelayDeadLetters')
  const { site } = drill
  const relay = await drill.startRelay()
  const registration = site.registration('/poison')
  await site.topic.publish(site.registered(registration), {
    key: 'forgotten',
    value: '{}',
    headers: site.terminated(registration).headers,
  })
  await drill.fires({ type: 'session-terminated' })
  const line = await drill.loggedBy(relay, '"msg":"poison record"')
  expect(line).toMatchObject({ partition: expect.any(Number), offset: expect.anything() })
  const letters = await TopicLog.follow(site.kafkaBrokers, site.deadLetterTopic)
  try {
    const { headers } = await letters.waitFor(({ key }) => key === 'forgotten')
    for (const name of ['reason', 'topic', 'partition', 'offset']) {
      expect(headers[`dead-letter-${name}`], name).toBeTruthy()
    }
  } finally {
    await letters.close()
  }
  const sent = await drill.run('logout-relay send session-terminated --session <session>', {
    session: registration.sessionId,
  })
  expect(sent.status, sent.stderr).toBe(0)
  await site.topic.waitForOutcome(registration.clientId)
  expect(site.rps.at('/poison')).toHaveLength(1)
  await drill.resolves()
})

test('LogoutRelayUnknownIssuer: a realm that nobody has told the relay of', async () => {
  await using drill = await Drill.open('LogoutRelayUnknownIssuer')
  const { site } = drill
  const before = await drill.startRelay({ ISSUER: 'https://elsewhere.example.com' })
  const registration = site.registration('/skipped')
  await site.topic.publish(site.registered(registration), site.terminated(registration))
  await drill.fires({ type: 'session-terminated' })
  const skipped = '"msg":"skipped: this issuer is not configured here, or not enabled"'
  await drill.loggedBy(before, skipped, { issuer: registration.issuer })
  await before.stop()

  await drill.startRelay()
  const again = await drill.run('logout-relay reconcile')
  expect(again.status, again.stderr).toBe(0)
  await site.topic.waitForOutcome(registration.clientId)
  expect(site.rps.at('/skipped')).toHaveLength(1)
  await drill.resolves()
})

test('LogoutRelayOutcomesNotPublished: the right to write to the outcome topic is gone', async () => {
  await using kafka = await startKafkaCluster({ properties: WITH_RULES })
  await using drill = await Drill.open('LogoutRelayOutcomesNotPublished', { kafkaBrokers: kafka.brokers })
  const { site } = drill
  const KAFKA_OUTCOME_TOPIC = `${site.topic.name}.outcomes`
  const relay = await drill.startRelay({ KAFKA_OUTCOME_TOPIC })
  const outcomes = await TopicLog.follow(site.kafkaBrokers, KAFKA_OUTCOME_TOPIC)
  try {
    await outcomes.forbidWriting()
    const registration = site.registration('/told')
    await site.topic.publish(site.registered(registration), site.terminated(registration))
    await drill.fires()
    const line = await drill.loggedBy(relay, '"part":"kafka-publish"')
    expect(String(line.error)).toContain(KAFKA_OUTCOME_TOPIC)
    const looked = await drill.run('logout-relay doctor', {}, '--json')
    expect(looked.rows.filter(({ check }) => check === 'topic-replication')).not.toEqual([])

    await outcomes.allowWriting()
    await outcomes.waitForOutcome(registration.clientId)
    expect(site.rps.at('/told')).toHaveLength(1)
    await drill.resolves()
  } finally {
    await outcomes.close()
  }
})
