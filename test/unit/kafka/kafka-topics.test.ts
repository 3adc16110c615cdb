import type { Admin, Kafka } from 'kafkajs'
import { afterEach, expect, test, vi } from 'vitest'
import { KafkaTopics } from '../../../src/kafka/kafka-topics.ts'

afterEach(() => {
  vi.useRealTimers()
})

interface Description {
  readonly name: string
  readonly partitions: readonly { readonly partitionId: number; readonly leader: number }[]
}

/**
 * A broker that has created the topic "outcomes" and answers with `descriptions`, one after the other. While it does not know
 * the new topic, kafkajs' own wait for leaders fails.
 */
function kafkaThatTells(descriptions: readonly (readonly Description[])[]) {
  const remaining = [...descriptions]
  const disconnect = vi.fn(async () => undefined)
  const admin = {
    disconnect,
    connect: async () => undefined,
    listTopics: async () => [],
    createTopics: async ({ waitForLeaders = true }) => {
      if (waitForLeaders) throw new Error('This server does not host this topic-partition')
      return true
    },
    fetchTopicMetadata: async () => ({ topics: remaining.length > 1 ? remaining.shift() : remaining[0] }),
  } as unknown as Admin
  return { disconnect, remaining, topics: new KafkaTopics({ admin: () => admin } as unknown as Kafka) }
}

const partitions = (...leaders: number[]) => leaders.map((leader, partitionId) => ({ leader, partitionId }))

test('a broker that does not know the topic yet which it has just created is no fault', async () => {
  const others = { name: 'session-events', partitions: partitions(1, 1) }
  const whole = [others, { name: 'outcomes', partitions: partitions(1, 1) }]
  const { disconnect, remaining, topics } = kafkaThatTells([
    [others],
    [others, { name: 'outcomes', partitions: partitions(1, -1) }],
    whole,
  ])
  await topics.ensure('outcomes', { holdsLargeRecords: false })
  expect(remaining).toEqual([whole])
  expect(disconnect).not.toHaveBeenCalled()
})

test('a created topic that gets no leaders is told of by name', async () => {
  vi.useFakeTimers()
  const { topics } = kafkaThatTells([[{ name: 'outcomes', partitions: partitions(-1) }]])
  const ensured = expect(topics.ensure('outcomes', { holdsLargeRecords: false })).rejects.toThrow(
    'topic outcomes was created, but it has no leaders yet',
  )
  await vi.advanceTimersByTimeAsync(10_000)
  await ensured
})
