import { randomUUID } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest'
import type { WireRecord } from '../../src/events/wire-record.ts'
import { boundsAfterTransactions, hiddenIn } from '../../src/intake/log-reader.ts'
import { createKafkaClient } from '../../src/kafka/kafka-client.ts'
import { KafkaLogReader } from '../../src/kafka/kafka-log-reader.ts'
import { KafkaTopics } from '../../src/kafka/kafka-topics.ts'
import { kafkajs } from '../../src/kafka/kafkajs/kafkajs.ts'
import { eventually } from '../support/eventually.ts'
import { TopicLog } from '../support/topic-log.ts'

const { CompressionTypes } = kafkajs

let topic: TopicLog
let topics: KafkaTopics
let reader: KafkaLogReader

beforeEach(async () => {
  topic = await TopicLog.create(inject('kafkaBrokers'), `it-reader-${randomUUID()}`)
  const kafka = createKafkaClient(inject('kafkaBrokers').split(','), 'test', () => undefined)
  topics = new KafkaTopics(kafka)
  reader = new KafkaLogReader(kafka, topics)
})
afterEach(async () => {
  await topics.close()
  await topic.remove()
})

async function read(ranges: { partition: number; from: number; to: number }[]): Promise<WireRecord[]> {
  const records: WireRecord[] = []
  await reader.read(
    ranges.map((range) => ({ topic: topic.name, ...range })),
    async (batch) => void records.push(...batch.records),
    new AbortController().signal,
  )
  return records
}

const records = (partition: number, count: number) =>
  Array.from({ length: count }, (_, i) => ({ partition, value: `${partition}/${i}` }))

test('reads exactly the ranges asked for, each partition in order, and joins no group', async () => {
  await topic.publish(...records(0, 30), ...records(1, 20))
  const found = await read([
    { partition: 0, from: 5, to: 12 },
    { partition: 1, from: 0, to: 20 },
    { partition: 2, from: 0, to: 0 },
  ])
  const of = (partition: number) =>
    found.filter((it) => it.partition === partition).map(({ offset }) => offset)
  expect(of(0)).toEqual([5, 6, 7, 8, 9, 10, 11])
  expect(of(1)).toEqual(Array.from({ length: 20 }, (_, i) => i))
  expect(found.map(({ value }) => String(value))).toContain('0/11')
  expect(await topic.groupsNamed('logout-relay-reader')).toEqual([])
})

const boundsByPartition = async () =>
  (await reader.bounds([topic.name, topic.name])).sort((a, b) => a.partition - b.partition)

test('the bounds are what the topic holds now', async () => {
  await topic.publish(...records(2, 3))
  expect(await boundsByPartition()).toEqual(
    [0, 1, 2].map((partition) => {
      const end = partition === 2 ? 3 : 0
      return { topic: topic.name, partition, from: 0, to: end, end }
    }),
  )
})

test('what retention takes while it is read is passed over', async () => {
  await topic.publish(...records(0, 5))
  await topic.deleteBefore(0, 3)
  const found = await read([{ partition: 0, from: 0, to: 5 }])
  expect(found.map(({ value }) => String(value))).toEqual(['0/3', '0/4'])
  expect(await read([{ partition: 0, from: 0, to: 2 }])).toEqual([])
  expect(await read([{ partition: 0, from: 90, to: 95 }])).toEqual([])
})

test('a hole at the end of a range, as aborted or control records leave it, ends the read', async () => {
  await topic.publish(...records(0, 3))
  await topic.publishAborted(...records(0, 4))
  // The end of the transaction is written after its abort is acknowledged.
  const to = await eventually(async () => {
    const [first] = await boundsByPartition()
    expect(first?.to).toBe(8)
    return 8
  })
  const found = await read([{ partition: 0, from: 0, to }])
  expect(found.map(({ value }) => String(value))).toEqual(['0/0', '0/1', '0/2'])
  await topic.publish({ partition: 0, value: 'after' })
  const further = await read([{ partition: 0, from: 2, to: to + 1 }])
  expect(further.map(({ value }) => String(value))).toEqual(['0/2', 'after'])
})

test('outcomes are read up to the end of the log, but none that is in a transaction, open or ended', async () => {
  const outcome = (value: string) => ({
    partition: 0,
    value,
    headers: { ce_type: 'backchannel-logout-sent' },
  })
  await topic.publish(outcome('before'), { partition: 0, value: 'no outcome' })
  await topic.publishCommitted(outcome('committed'))
  await topic.publishAborted(outcome('aborted'))
  const end = await topic.leaveOpen(outcome('open'))
  await topic.publish(outcome('behind'), { partition: 0, value: 'no outcome either' })
  const [bounds] = await boundsByPartition()
  expect(bounds?.end).toBe((bounds?.to ?? 0) + 3)
  const values: string[] = []
  await reader.readOutcomes(
    [{ topic: topic.name, partition: 0, from: 0, to: bounds?.end ?? 0 }],
    async ({ records: found }) => void values.push(...found.map(({ value }) => String(value))),
    new AbortController().signal,
  )
  expect(values).toEqual(['before', 'behind'])
  await end()
})

test('a transaction that ends soon hides nothing from whoever waits for it, and what comes after it is left out', async () => {
  const end = await topic.leaveOpen({ partition: 0, value: 'open' })
  await topic.publish({ partition: 0, value: 'behind' })
  const looked = Promise.withResolvers<void>()
  const looking = {
    bounds: async (topics: readonly string[]) => {
      const found = await reader.bounds(topics)
      looked.resolve()
      return found
    },
  }
  const waiting = boundsAfterTransactions(looking, [topic.name])
  await looked.promise
  await topic.publish({ partition: 0, value: 'after' })
  await end()
  const bounds = await waiting
  expect(hiddenIn(bounds)).toEqual([])
  expect(bounds.find(({ partition }) => partition === 0)).toMatchObject({ from: 0, to: 2, end: 2 })
})

test('a reader that is stopped throws', async () => {
  await topic.publish(...records(0, 3))
  const ranges = [{ topic: topic.name, partition: 0, from: 0, to: 3 }]
  await expect(reader.read(ranges, async () => undefined, AbortSignal.abort())).rejects.toMatchObject({
    code: 'LR_STOPPED',
  })
})

describe('compressed records are read', () => {
  test.each([
    ['gzip', CompressionTypes.GZIP],
    ['snappy', CompressionTypes.Snappy],
    ['lz4', CompressionTypes.LZ4],
    ['zstd', CompressionTypes.ZSTD],
  ])('%s', async (_name, compression) => {
    const values = Array.from({ length: 200 }, (_, i) => `${i} ${'compressible '.repeat(20)}`)
    await topic.publishCompressed(
      compression,
      values.map((value) => ({ partition: 0, value })),
    )
    const found = await read([{ partition: 0, from: 0, to: 200 }])
    expect(found.map(({ value }) => String(value))).toEqual(values)
  })
})
