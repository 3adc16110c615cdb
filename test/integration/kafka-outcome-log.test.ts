import { randomUUID } from 'node:crypto'
import { afterEach, beforeEach, expect, inject, test } from 'vitest'
import { FittingLog } from '../../src/delivery/fitting-log.ts'
import { outcomeRecord } from '../../src/delivery/outcome-record.ts'
import { deadLetter } from '../../src/intake/dead-letter.ts'
import { createKafkaClient } from '../../src/kafka/kafka-client.ts'
import { KafkaOutcomeLog } from '../../src/kafka/kafka-outcome-log.ts'
import { KafkaTopics } from '../../src/kafka/kafka-topics.ts'
import { startKafkaCluster } from '../stack/kafka-cluster.ts'
import { eventually } from '../support/eventually.ts'
import { TopicLog } from '../support/topic-log.ts'

let topic: TopicLog
let topics: KafkaTopics
let log: KafkaOutcomeLog
const kafka = createKafkaClient(inject('kafkaBrokers').split(','), 'test', () => undefined)

beforeEach(async () => {
  topic = await TopicLog.create(inject('kafkaBrokers'), `it-outcomes-${randomUUID()}`, { partitions: 6 })
  topics = new KafkaTopics(kafka)
  log = new KafkaOutcomeLog(kafka, topics)
})
afterEach(async () => {
  await log.close()
  await topics.close()
  await topic.remove()
})

const record = (key: string | null, value = 'value') => ({
  topic: topic.name,
  key,
  value,
  headers: { name: 'x' },
})

test('the records of a session go into one partition, where other producers put that key, too', async () => {
  const keys = Array.from({ length: 40 }, () => randomUUID())
  await topic.publish(...keys.map((key) => ({ key, value: 'trigger' })))
  await log.append(keys.map((key) => record(key)))
  await log.append(keys.map((key) => record(key)))
  await topic.caughtUp()
  for (const key of keys) {
    const found = topic.records.filter((it) => it.key === key)
    expect(found).toHaveLength(3)
    expect(new Set(found.map(({ partition }) => partition)).size).toBe(1)
  }
  expect(new Set(topic.records.map(({ partition }) => partition)).size).toBe(6)
})

test('records without a key are spread, a partition that is named is kept', async () => {
  await log.append(Array.from({ length: 12 }, () => record(null)))
  await log.append([{ ...record('k', 'there'), partition: 4 }])
  await topic.caughtUp()
  expect(new Set(topic.records.map(({ partition }) => partition)).size).toBe(6)
  expect(topic.records.find(({ value }) => String(value) === 'there')?.partition).toBe(4)
})

test('a record that is too large for the topic is refused by name, and the next one is taken', async () => {
  const large = record('k', 'x'.repeat(2_000_000))
  await expect(log.append([large])).rejects.toMatchObject({ code: 'LR_RECORD_TOO_LARGE' })
  await log.append([record('k', 'small')])
  await topic.caughtUp()
  expect(topic.records.map(({ value }) => String(value))).toEqual(['small'])
})

test('a record that its leader alone holds is not taken: it would be lost with that broker', async () => {
  await using cluster = await startKafkaCluster({ brokers: 2 })
  const two = createKafkaClient(cluster.brokers.split(','), 'test', () => undefined)
  const [admin, twoTopics] = [two.admin(), new KafkaTopics(two)]
  const replicated = new KafkaOutcomeLog(two, twoTopics)
  const name = 'replicated'
  await admin.connect()
  try {
    await admin.createTopics({ topics: [{ topic: name, numPartitions: 1, replicationFactor: 2 }] })
    await replicated.append([{ ...record('k', 'held by both'), topic: name }])
    const [{ leader } = { leader: 0 }] = await twoTopics.partitions(name)
    const brokers = [1, 2]
    const follower = brokers.findIndex((id) => id !== leader)
    cluster.freeze(follower)
    // By the broker or by the client, whoever is the first to lose patience.
    await expect(replicated.append([{ ...record('k'), topic: name }])).rejects.toThrow()
    cluster.thaw(follower)
    await eventually(() => replicated.append([{ ...record('k', 'held by both again'), topic: name }]))
  } finally {
    await Promise.all([replicated.close(), twoTopics.close(), admin.disconnect()])
  }
})

test('what is too large for the topic, together or alone, is there in the end, in as many partitions as it is for', async () => {
  await topic.takeBatches(2_000)
  const cut: string[] = []
  const fitting = new FittingLog(log, ({ key }) => cut.push(String(key)))
  const small = Array.from({ length: 60 }, (_, i) => record(`small-${i}`, `${i} ${'x'.repeat(200)}`))
  const large = outcomeRecord(
    topic.name,
    { kind: 'failed', reason: 'expired', attempts: 7, lastError: 'e'.repeat(5_000) },
    { issuer: 'https://op', sessionId: 'large', oidcSessionId: 'o', clientId: 'c' },
    {
      origin: { id: 't', topic: 'in', partition: 0, offset: 1 },
      occurredAtMs: 1,
      everywhere: false,
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
      tracestate: 'x'.repeat(5_000),
    },
  )
  const letter = deadLetter(
    topic.name,
    {
      topic: 'in',
      partition: 0,
      offset: 2,
      timestampMs: 3,
      key: Buffer.from('letter'),
      value: Buffer.alloc(50_000, 'v'),
      headers: { theirs: 'h'.repeat(9_000) },
    },
    'is not JSON',
  )
  await fitting.append([...small.slice(0, 30), large, ...small.slice(30), letter])
  await topic.caughtUp()
  const values = new Set(topic.records.map(({ value }) => String(value)))
  for (const { value } of small) expect(values).toContain(value)
  expect(cut).toEqual(['large', 'letter'])
  expect(topic.records.find(({ key }) => key === 'large')?.data).toMatchObject({
    reason: 'expired',
    attempts: 7,
  })
  expect(topic.records.find(({ key }) => key === 'letter')?.headers).toMatchObject({
    'dead-letter-offset': '2',
  })
})

test('a topic that does not exist is refused', async () => {
  const missing = { ...record('k'), topic: `${topic.name}.missing` }
  await expect(log.append([missing])).rejects.toMatchObject({ code: 'LR_TOPIC_MISSING' })
})

test('a partition that did not answer makes the append fail, although kafkajs resolves', async () => {
  const silent = 2
  // What kafkajs does when leadership moves in the middle of a request cannot be had from one broker on demand.
  const producer = {
    connect: async () => undefined,
    disconnect: async () => undefined,
    sendBatch: async ({ topicMessages }: { topicMessages: { messages: { partition: number }[] }[] }) =>
      (topicMessages[0]?.messages ?? [])
        .filter(({ partition }) => partition !== silent)
        .map(({ partition }) => ({ topicName: topic.name, partition, errorCode: 0 })),
  }
  const forgetful = new KafkaOutcomeLog({ producer: () => producer } as never, topics)
  const parts = [0, 1, silent].map((partition) => ({ ...record('k'), partition }))
  await expect(forgetful.append(parts)).rejects.toMatchObject({
    code: 'LR_PUBLISH_INCOMPLETE',
    message: expect.stringContaining(`${topic.name}/${silent}`),
  })
  await forgetful.append(parts.slice(0, 2))
})

test('a producer that has failed is not used again: some failures stay with it, and it is told to try nothing by itself', async () => {
  const producers: { retry?: unknown }[] = []
  let failures = 1
  const fake = {
    connect: async () => undefined,
    disconnect: async () => undefined,
    sendBatch: async () => {
      if (failures-- > 0) throw new Error('out of order')
      return [{ topicName: topic.name, partition: 0, errorCode: 0 }]
    },
  }
  const producer = (options: { retry?: unknown }) => {
    producers.push(options)
    return fake
  }
  const replacing = new KafkaOutcomeLog({ producer } as never, topics)
  const one = [{ ...record('k'), partition: 0 }]
  await expect(replacing.append(one)).rejects.toThrow('out of order')
  await replacing.append(one)
  await replacing.append(one)
  expect(producers).toHaveLength(2)
  // A request that kafkajs repeats inside itself loses records when leadership moves meanwhile.
  expect(producers[0]?.retry).toEqual({ retries: 0 })
})
