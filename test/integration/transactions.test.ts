import { randomUUID } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest'
import { createKafkaClient } from '../../src/kafka/kafka-client.ts'
import { KafkaLogReader } from '../../src/kafka/kafka-log-reader.ts'
import { KafkaTopics } from '../../src/kafka/kafka-topics.ts'
import { kafkajs } from '../../src/kafka/kafkajs/kafkajs.ts'
import { eventually } from '../support/eventually.ts'
import { ReadingRelay } from '../support/reading-relay.ts'
import { TopicLog } from '../support/topic-log.ts'

let topic: TopicLog
let groupId: string
const closing: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const close of closing.splice(0)) await close()
  await topic.remove(groupId)
})

async function open(config: Record<string, string> = {}): Promise<void> {
  topic = await TopicLog.create(inject('kafkaBrokers'), `it-tx-${randomUUID()}`, { partitions: 1, config })
  groupId = `${topic.name}.group`
}
const kafka = () => createKafkaClient(inject('kafkaBrokers').split(','), 'test', () => undefined)

async function consume(): Promise<string[]> {
  const relay = await ReadingRelay.start({ kafkaBrokers: inject('kafkaBrokers'), topic: topic.name, groupId })
  closing.push(() => relay.stop())
  return relay.values
}

async function readAll(): Promise<string[]> {
  const topics = new KafkaTopics(kafka())
  closing.push(() => topics.close())
  const reader = new KafkaLogReader(kafka(), topics)
  const values: string[] = []
  await reader.read(
    await reader.bounds([topic.name]),
    async ({ records }) => void values.push(...records.map(({ value }) => String(value))),
    new AbortController().signal,
  )
  return values
}

const one = (value: string, key: string | null = null) => ({ partition: 0, value, key })
/** More than one fetch brings of a partition, so that the marker behind it is fetched by itself. */
const large = (name: string) => Array.from({ length: 4 }, (_, i) => one(`${name}-${i}-${'x'.repeat(12_000)}`))

/** What is written, and what of it a reader gets. */
const histories: Record<string, { write: () => Promise<void>; reads: string[] }> = {
  'an aborted transaction of one record': {
    write: () => topic.publishAborted(one('never')),
    reads: [],
  },
  'several aborted transactions in a row': {
    write: async () => {
      for (const name of ['a', 'b', 'c']) await topic.publishAborted(one(name))
    },
    reads: [],
  },
  'a committed transaction whose marker is fetched by itself': {
    write: () => topic.publishCommitted(...large('tx')),
    reads: large('tx').map(({ value }) => value),
  },
  'an aborted transaction that is larger than a fetch': {
    write: () => topic.publishAborted(...large('tx')),
    reads: [],
  },
  'compressed transactions': {
    write: () => topic.publishBothCompressed(kafkajs.CompressionTypes.GZIP, ...large('tx')),
    reads: large('tx').map(({ value }) => value),
  },
  'an aborted record whose key is that of a marker': {
    write: () => topic.publishAborted(one('never', '\0\0\0\0'), one('nor this')),
    reads: [],
  },
}

describe.each(Object.entries(histories))('%s', (_, { write, reads }) => {
  beforeEach(() => open())

  test('is read past while the relay runs', async () => {
    const values = await consume()
    await topic.publish(one('before'))
    await eventually(() => expect(values).toEqual(['before']))
    await write()
    await topic.publish(one('after'))
    await eventually(() => expect(values).toEqual(['before', ...reads, 'after']))
    await eventually(async () => expect(await topic.lag(groupId)).toBe(0))
  })

  test('is read past at the start, and in a reading of the log', async () => {
    await write()
    await topic.publish(one('after'))
    await write()
    const all = [...reads, 'after', ...reads]
    expect(await readAll()).toEqual(all)
    const values = await consume()
    await eventually(() => expect(values).toEqual(all))
    await eventually(async () => expect(await topic.lag(groupId)).toBe(0))
  })
})
