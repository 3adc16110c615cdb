import { expect, inject, test } from 'vitest'
import { startKafkaCluster } from '../stack/kafka-cluster.ts'
import { findFreePorts } from '../stack/ports.ts'
import { eventually } from '../support/eventually.ts'
import { RelaySite } from '../support/relay-site.ts'
import { SlowLink } from '../support/slow-link.ts'
import { TopicLog } from '../support/topic-log.ts'

/** Over that, 7.5 megabytes need more than the five seconds that a request of usual size has. */
const BYTES_PER_SECOND = 1_100_000

test('a record of megabytes over a slow link to Kafka is read, and becomes one dead letter whole; what is behind it is told', async () => {
  const [slow, behind] = (await findFreePorts(2)) as [number, number]
  await using cluster = await startKafkaCluster({
    properties: ({ port, controllerPort }) => ({
      listeners: `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort},SLOW://127.0.0.1:${behind}`,
      'advertised.listeners': `PLAINTEXT://127.0.0.1:${port},SLOW://127.0.0.1:${slow}`,
      'listener.security.protocol.map': 'CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SLOW:PLAINTEXT',
      'message.max.bytes': '20000000',
    }),
  })
  using _link = await SlowLink.listen(slow, behind, BYTES_PER_SECOND)
  const site = await RelaySite.open({
    kafkaBrokers: cluster.brokers,
    redisUrl: inject('redisUrl'),
    topic: { partitions: 1 },
  })
  const relay = await site.startRelay({ KAFKA_BROKERS: `127.0.0.1:${slow}` })
  const letters = await TopicLog.follow(site.kafkaBrokers, site.deadLetterTopic)
  const value = Buffer.alloc(7_500_000, 'x')
  const registration = site.registration('/behind')
  await site.topic.publish({ key: 'large', value })
  await site.topic.publish(site.registered(registration), site.terminated(registration))
  await site.topic.waitForOutcome(registration.clientId)
  await letters.waitFor(({ key }) => key === 'large')
  await eventually(async () => expect(await site.topic.lag(site.groupId)).toBe(0))
  expect(letters.records.map((it) => it.value?.length)).toEqual([value.length])
  expect(relay.log.filter(({ msg }) => String(msg).includes('timed out'))).toEqual([])
  await letters.close()
  await site.close()
})
