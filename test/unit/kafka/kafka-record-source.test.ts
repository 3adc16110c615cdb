import { createRequire } from 'node:module'
import type { Consumer, ConsumerConfig, Kafka } from 'kafkajs'
import { expect, test } from 'vitest'
import { KafkaRecordSource } from '../../../src/kafka/kafka-record-source.ts'
import { namedTopics } from '../../support/named-topics.ts'

/** A client whose consumers hang in the first request of their group, as while a broker is away. */
function hangingKafka(onRun: () => void): Kafka {
  const uninitialized = () => {
    throw new Error('Consumer group was not initialized, consumer#run must be called first')
  }
  const consumer = {
    events: {},
    on: () => () => undefined,
    connect: async () => undefined,
    subscribe: async () => undefined,
    disconnect: async () => undefined,
    run: () => {
      onRun()
      return new Promise(() => undefined)
    },
    pause: uninitialized,
    resume: uninitialized,
  } as unknown as Consumer
  return { consumer: () => consumer } as unknown as Kafka
}

test('a partition that is resumed while a crashed consumer is being replaced does not end the relay', async () => {
  const isRunning = Promise.withResolvers<void>()
  const stopped = new AbortController()
  const source = new KafkaRecordSource({
    epoch: () => undefined,
    onElsewhere: () => undefined,
    kafka: hangingKafka(() => isRunning.resolve()),
    inputs: namedTopics('t'),
    groupId: 'g',
    startFrom: 'latest',
    sessionTimeoutMs: 3_000,
    stallMs: 45_000,
    onTrouble: () => undefined,
    onMembership: () => undefined,
    edges: { positionPassed: () => undefined, openTransactions: () => undefined },
    recall: async () => [],
    keep: async () => undefined,
  })
  void source.start(
    {
      onBatch: () => undefined,
      onRevoking: async () => undefined,
      onLost: () => undefined,
      onAssigned: () => undefined,
      onMoved: () => undefined,
      nextWanted: () => undefined,
      committable: () => [],
    },
    stopped.signal,
  )
  await isRunning.promise
  const partition = { topic: 't', partition: 0 }
  expect(() => source.resume(partition)).not.toThrow()
  expect(() => source.pause(partition)).not.toThrow()
  stopped.abort()
})

/** A client whose first consumer has its assignment and crashes before it has joined; the next one hangs. */
function kafkaThatCrashesOnce(): Kafka {
  const group = createRequire(import.meta.url)('kafkajs/src/consumer/consumerGroup') as {
    prototype: { joinAndSync(): Promise<void> }
  }
  const cluster = {}
  const member = {
    cluster,
    memberId: null,
    retrier: async () => undefined,
    partitionsPerSubscribedTopic: new Map(),
    assigned: () => [],
  }
  let runs = 0
  const consumer = ({ partitionAssigners = [] }: ConsumerConfig) => {
    let crash: (event: object) => void = () => undefined
    for (const assigner of partitionAssigners) assigner({ cluster } as Parameters<typeof assigner>[0])
    return {
      events: { CRASH: 'crash' },
      on: (event: string, listener: typeof crash) => {
        if (event === 'crash') crash = listener
      },
      connect: async () => undefined,
      subscribe: async () => undefined,
      disconnect: async () => undefined,
      run: async () => {
        if (++runs > 1) return new Promise(() => undefined)
        await group.prototype.joinAndSync.call(member)
        crash({ payload: { error: new Error('the broker is gone') } })
      },
    }
  }
  return { consumer } as unknown as Kafka
}

test('a consumer that crashes between its assignment and the end of its join gives its partitions up', async () => {
  const told: string[] = []
  const stopped = new AbortController()
  const isLost = Promise.withResolvers<void>()
  const source = new KafkaRecordSource({
    epoch: () => undefined,
    onElsewhere: () => undefined,
    kafka: kafkaThatCrashesOnce(),
    inputs: namedTopics('t'),
    groupId: 'g',
    startFrom: 'latest',
    sessionTimeoutMs: 3_000,
    stallMs: 45_000,
    onTrouble: (what) => {
      told.push(what)
      isLost.resolve()
    },
    onMembership: () => undefined,
    edges: { positionPassed: () => undefined, openTransactions: () => undefined },
    recall: async () => [],
    keep: async () => undefined,
  })
  void source.start(
    {
      onBatch: () => undefined,
      onRevoking: async () => undefined,
      onLost: () => void told.push('lost'),
      onAssigned: () => void told.push('assigned'),
      onMoved: () => undefined,
      nextWanted: () => undefined,
      committable: () => [],
    },
    stopped.signal,
  )
  await isLost.promise
  expect(told).toEqual(['assigned', 'lost', 'start-failed'])
  stopped.abort()
})
