import type { Consumer, Kafka } from 'kafkajs'
import { expect, test } from 'vitest'
import { KafkaRecordSource } from '../../../src/kafka/kafka-record-source.ts'

/** A client of which every consumer hangs in the first request of its group, as while a broker is away. */
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
    kafka: hangingKafka(() => isRunning.resolve()),
    topics: ['t'],
    groupId: 'g',
    startFrom: 'latest',
    sessionTimeoutMs: 3_000,
    stallMs: 45_000,
    onTrouble: () => undefined,
    onMembership: () => undefined,
  })
  void source.start(
    {
      onBatch: () => undefined,
      onRevoking: async () => undefined,
      onLost: () => undefined,
      onAssigned: () => undefined,
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
