import { expect, test } from 'vitest'
import type { Broker } from '../../../src/kafka/kafkajs/kafka-cluster.ts'
import { fetchTopicIds } from '../../../src/kafka/topic-ids.ts'

test('a broker that has no topic ids is not asked, and none is known', async () => {
  const broker = {
    versions: { 3: { minVersion: 0, maxVersion: 9 } },
    connectionPool: { send: () => Promise.reject(new Error('unsupported version')) },
  } as unknown as Broker
  const cluster = { brokerPool: { findConnectedBroker: async () => broker } }
  expect([...(await fetchTopicIds(cluster, ['a', 'b']))]).toEqual([
    ['a', ''],
    ['b', ''],
  ])
})
