import { randomUUID } from 'node:crypto'
import { createRequire } from 'node:module'
import { afterEach, beforeEach, expect, inject, test } from 'vitest'
import { GroupPositions } from '../../src/kafka/group-positions.ts'
import { createKafkaClient } from '../../src/kafka/kafka-client.ts'
import { KafkaTopics } from '../../src/kafka/kafka-topics.ts'
import { eventually } from '../support/eventually.ts'
import { type ReadingOptions, ReadingRelay } from '../support/reading-relay.ts'
import { TopicLog } from '../support/topic-log.ts'

let topic: TopicLog
let groupId: string
let topics: KafkaTopics
let positions: GroupPositions
const relays: ReadingRelay[] = []

beforeEach(async () => {
  topic = await TopicLog.create(inject('kafkaBrokers'), `it-edges-${randomUUID()}`, { partitions: 2 })
  groupId = `${topic.name}.group`
  topics = new KafkaTopics(createKafkaClient(inject('kafkaBrokers').split(','), 'test', () => undefined))
  positions = new GroupPositions(topics)
})
afterEach(async () => {
  await Promise.all(relays.splice(0).map((relay) => relay.stop()))
  await topics.close()
  await topic.remove(groupId)
})

async function start(options: Partial<ReadingOptions> = {}): Promise<ReadingRelay> {
  const kafkaBrokers = inject('kafkaBrokers')
  const relay = await ReadingRelay.start({ kafkaBrokers, topic: topic.name, groupId, ...options })
  relays.push(relay)
  return relay
}

const messages = (name: string, count: number, partition = 0) =>
  Array.from({ length: count }, (_, i) => ({ partition, value: `${name}-${i}` }))
const valuesOf = (name: string, count: number, from = 0) =>
  messages(name, count)
    .map(({ value }) => value)
    .slice(from)
const hasRead = (relay: ReadingRelay, values: readonly string[]) =>
  eventually(() => expect(relay.values).toEqual(values))
const isSettled = () => eventually(async () => expect(await topic.lag(groupId)).toBe(0))

test('where retention has passed the position of a relay that is down, it goes on at what is left, and says what it missed', async () => {
  const first = await start({ startFrom: 'latest' })
  await topic.publish(...messages('read', 5))
  await hasRead(first, valuesOf('read', 5))
  await isSettled()
  await first.stop()
  await topic.publish(...messages('missed', 10))
  await topic.deleteBefore(0, 12)

  const second = await start({ startFrom: 'latest' })
  await hasRead(second, valuesOf('missed', 10, 7))
  await topic.publish(...messages('new', 3))
  await hasRead(second, [...valuesOf('missed', 10, 7), ...valuesOf('new', 3)])
  await eventually(() => expect(second.passed).toHaveLength(1))
  expect(second.passed[0]).toMatchObject({ partition: 0, why: 'retention', wanted: 5, position: 12 })
  expect(second.passed[0]?.lastMs).toBeLessThanOrEqual(second.passed[0]?.earliestMs ?? 0)
  await isSettled()
  await second.stop()

  const third = await start({ startFrom: 'latest' })
  await topic.publish({ partition: 0, value: 'last' })
  await hasRead(third, ['last'])
  expect(third.passed).toEqual([])
})

test('retention passes the position of a relay that runs, in a partition that is paused', async () => {
  const relay = await start()
  await topic.publish(...messages('read', 5))
  await hasRead(relay, valuesOf('read', 5))
  relay.source.pause({ topic: topic.name, partition: 0 })
  await topic.publish({ partition: 1, value: 'other' })
  await hasRead(relay, [...valuesOf('read', 5), 'other'])
  await topic.publish(...messages('missed', 5))
  await topic.deleteBefore(0, 10)
  relay.source.resume({ topic: topic.name, partition: 0 })
  await topic.publish(...messages('new', 2))
  await hasRead(relay, [...valuesOf('read', 5), 'other', ...valuesOf('new', 2)])
  await eventually(() => expect(relay.passed).toMatchObject([{ why: 'retention', wanted: 5, position: 10 }]))
  await isSettled()
})

test.each([5, 40])(
  'a topic that is created anew while the relay runs, with %i records, is read from its beginning',
  async (count) => {
    const relay = await start({ startFrom: 'latest' })
    await topic.publish(...messages('old', 20))
    await hasRead(relay, valuesOf('old', 20))
    await isSettled()
    await topic.recreate({ partitions: 2 })
    await topic.publishFresh(...messages('new', count))
    await eventually(() =>
      expect(new Set(relay.values)).toEqual(new Set([...valuesOf('old', 20), ...valuesOf('new', count)])),
    )
    await topic.publishFresh(...messages('last', 1))
    await eventually(() => expect(relay.values).toContain('last-0'))
    await eventually(() =>
      expect(relay.passed).toContainEqual(expect.objectContaining({ partition: 0, why: 'recreated' })),
    )
    await isSettled()
    const [committed] = await positions.readCommitted(groupId, [topic.name])
    expect(committed?.topicId).toBe((await positions.topicIds([topic.name])).get(topic.name))
  },
)

test.each([5, 40])(
  'a topic that is created anew while the relay is down, with %i records, is read from its beginning',
  async (count) => {
    const first = await start({ startFrom: 'latest' })
    await topic.publish(...messages('old', 20))
    await hasRead(first, valuesOf('old', 20))
    await isSettled()
    await first.stop()
    // Kafka drops the offsets of a topic that is deleted.
    const recalled = await positions.readCommitted(groupId, [topic.name])
    await topic.recreate({ partitions: 2 })
    await topic.publishFresh(...messages('new', count))
    const second = await start({ startFrom: 'latest', recalled })
    await hasRead(second, valuesOf('new', count))
    await eventually(() => expect(second.passed).toMatchObject([{ why: 'recreated' }, { why: 'recreated' }]))
    await isSettled()
  },
)

test.each([1, 4])(
  'a topic that is created anew with %i partitions instead of two is read from its beginning',
  async (partitions) => {
    const relay = await start({ startFrom: 'latest' })
    await topic.publish(...messages('old', 5), ...messages('old', 5, 1))
    await eventually(() => expect(relay.values).toHaveLength(10))
    await isSettled()
    await topic.recreate({ partitions })
    const fresh = Array.from({ length: partitions }, (_, partition) =>
      messages(`new-${partition}`, 9, partition),
    ).flat()
    await topic.publishFresh(...fresh)
    const wanted = fresh.map(({ value }) => value)
    await eventually(() => expect(relay.values).toEqual(expect.arrayContaining(wanted)))
    await isSettled()
  },
)

test('a topic that is created anew while two relays read it is read from its beginning by them', async () => {
  const both = [await start({ startFrom: 'latest' }), await start({ startFrom: 'latest' })]
  await topic.publish(...messages('old', 5), ...messages('old', 5, 1))
  await eventually(() => expect(both.flatMap(({ values }) => values)).toHaveLength(10))
  await isSettled()
  await topic.recreate({ partitions: 2 })
  const fresh = [...messages('new-0', 9), ...messages('new-1', 9, 1)]
  await topic.publishFresh(...fresh)
  const wanted = fresh.map(({ value }) => value)
  await eventually(() => expect(both.flatMap(({ values }) => values)).toEqual(expect.arrayContaining(wanted)))
  await isSettled()
})

test('a commit that was made for a topic of the same name does not count', async () => {
  await topic.publish(...messages('a', 10))
  await positions.commitAsNobody(groupId, [
    { topic: topic.name, partition: 0, offset: 7, topicId: 'of-another-one' },
    { topic: topic.name, partition: 1, offset: 0 },
  ])
  const relay = await start({ startFrom: 'latest' })
  await hasRead(relay, valuesOf('a', 10))
})

test('a position beyond the end of the log goes back to its beginning', async () => {
  await topic.publish(...messages('a', 10))
  await positions.commitAsNobody(groupId, [{ topic: topic.name, partition: 0, offset: 1_000 }])
  const relay = await start({ startFrom: 'latest' })
  await hasRead(relay, valuesOf('a', 10))
  await eventually(() =>
    expect(relay.passed).toMatchObject([{ why: 'shortened', wanted: 1_000, position: 0 }]),
  )
  await isSettled()
})

test('a group whose offsets are gone goes on where it is remembered to have been', async () => {
  await topic.publish(...messages('a', 10))
  const recalled = [{ topic: topic.name, partition: 0, offset: 6, start: 2 }]
  const relay = await start({ startFrom: 'latest', recalled })
  await hasRead(relay, valuesOf('a', 10, 6))
  await isSettled()
  const found = await positions.readCommitted(groupId, [topic.name])
  expect(found.find(({ partition }) => partition === 0)).toMatchObject({ offset: 10, start: 2 })
})

test('a rewind with Kafka’s tools is not lost when the relay dies right after it has joined', async () => {
  await topic.publish(...messages('a', 10))
  const recalled = [{ topic: topic.name, partition: 0, offset: 10, start: 2 }]
  await positions.commitAsNobody(groupId, [{ topic: topic.name, partition: 0, offset: 3 }])
  const kept: unknown[] = []
  const relay = await start({
    recalled,
    // The first time it dies before that is done.
    keep: async (it) => {
      const [committed] = await positions.readCommitted(groupId, [topic.name])
      kept.push({ it, isTheirs: committed?.start === undefined, offset: committed?.offset })
      if (kept.length === 1) throw new Error('Redis is away')
    },
  })
  await hasRead(relay, valuesOf('a', 10, 3))
  const first = [expect.objectContaining({ topic: topic.name, partition: 0, offset: 3, start: 2 })]
  expect(kept).toEqual([1, 2].map(() => ({ it: first, isTheirs: true, offset: 3 })))
  await isSettled()
})

test('a fetch that does not follow on the last one loses nothing, and is counted', async () => {
  interface Group {
    readonly groupId: string
    fetch(nodeId: string): Promise<unknown>
    readonly offsetManager: { resolveOffset(position: object): void }
  }
  const { prototype } = createRequire(import.meta.url)('kafkajs/src/consumer/consumerGroup') as {
    prototype: Group
  }
  const relay = await start()
  await topic.publish(...messages('a', 5))
  await hasRead(relay, valuesOf('a', 5))
  relay.source.pause({ topic: topic.name, partition: 0 })
  await topic.publish(...messages('b', 10))
  const { fetch } = prototype
  let hasJumped = false
  prototype.fetch = function jumpingOnce(this: Group, nodeId) {
    if (this.groupId === groupId && !hasJumped) {
      hasJumped = true
      this.offsetManager.resolveOffset({ topic: topic.name, partition: 0, offset: '7' })
    }
    return fetch.call(this, nodeId)
  }
  try {
    await eventually(() => expect(hasJumped).toBe(true))
    relay.source.resume({ topic: topic.name, partition: 0 })
    await hasRead(relay, [...valuesOf('a', 5), ...valuesOf('b', 10)])
    expect(relay.gaps).toEqual([{ topic: topic.name, partition: 0, wanted: 5, fetched: 8 }])
  } finally {
    prototype.fetch = fetch
  }
})
