import { randomUUID } from 'node:crypto'
import { afterEach, beforeEach, expect, inject, test } from 'vitest'
import { GroupPositions } from '../../src/kafka/group-positions.ts'
import { createKafkaClient } from '../../src/kafka/kafka-client.ts'
import { KafkaTopics } from '../../src/kafka/kafka-topics.ts'
import { eventually } from '../support/eventually.ts'
import { TopicLog } from '../support/topic-log.ts'

let topic: TopicLog
let topics: KafkaTopics
let positions: GroupPositions
let groupId: string
const kafka = () => createKafkaClient(inject('kafkaBrokers').split(','), 'test', () => undefined)

beforeEach(async () => {
  topic = await TopicLog.create(inject('kafkaBrokers'), `it-positions-${randomUUID()}`)
  groupId = `${topic.name}.group`
  topics = new KafkaTopics(kafka())
  positions = new GroupPositions(topics)
})
afterEach(async () => {
  await topics.close()
  await topic.remove(groupId)
})

const at = (partition: number, offset: number) => ({ topic: topic.name, partition, offset })

test('what is committed as nobody is read back, with its start and the id of its topic', async () => {
  const topicId = (await positions.topicIds([topic.name])).get(topic.name) ?? ''
  expect(topicId).toMatch(/^[\w-]{22}$/)
  const set = [{ ...at(0, 5), start: 3, topicId }, at(2, 0)]
  expect(await positions.readCommitted(groupId, [topic.name])).toEqual([])
  expect(await positions.commitAsNobody(groupId, set)).toBe('committed')
  const found = await positions.readCommitted(groupId, [topic.name, `${topic.name}.missing`])
  expect(found.sort((a, b) => a.partition - b.partition)).toEqual(set)
})

test('nobody commits for a group that has members', async () => {
  // What the log does not hold kafkajs would set anew by itself.
  await topic.publish(...Array.from({ length: 8 }, () => ({ partition: 0, value: 'x' })))
  await positions.commitAsNobody(groupId, [at(0, 5)])
  const member = kafka().consumer({ groupId, maxWaitTimeInMs: 100 })
  await member.connect()
  try {
    await member.subscribe({ topic: topic.name })
    const joined = new Promise<void>((resolve) => member.on(member.events.GROUP_JOIN, () => resolve()))
    await member.run({ autoCommit: false, eachBatch: async () => undefined })
    await joined
    expect(await positions.commitAsNobody(groupId, [at(0, 7)])).toBe('has-members')
    expect(await positions.readCommitted(groupId, [topic.name])).toEqual([at(0, 5)])
  } finally {
    await member.disconnect()
  }
  await eventually(async () => expect(await positions.commitAsNobody(groupId, [at(0, 7)])).toBe('committed'))
})

test('a topic that is created anew has another id, and one that is not there has none', async () => {
  const names = [topic.name, `${topic.name}.missing`]
  const before = await positions.topicIds(names)
  await topic.recreate()
  const after = await positions.topicIds(names)
  expect(after.get(topic.name)).toMatch(/^[\w-]{22}$/)
  expect(after.get(topic.name)).not.toBe(before.get(topic.name))
  expect([before, after].map((ids) => ids.get(`${topic.name}.missing`))).toEqual(['', ''])
})
