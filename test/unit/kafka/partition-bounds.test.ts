import { expect, test } from 'vitest'
import { hiddenIn } from '../../../src/intake/log-reader.ts'
import type { Broker, Cluster } from '../../../src/kafka/kafkajs/kafka-cluster.ts'
import { fetchBounds } from '../../../src/kafka/partition-bounds.ts'

test('records written while the bounds are read do not look as if an open transaction hid them', async () => {
  let end = 10
  const broker = {
    listOffsets: async ({
      topics,
    }: {
      topics: { topic: string; partitions: { timestamp: number }[] }[]
    }) => ({
      // A record is written before each answer.
      responses: topics.map(({ topic, partitions }) => ({
        topic,
        partitions: partitions.map(({ timestamp }) => ({
          partition: 0,
          offset: String(timestamp === -2 ? 0 : end++),
        })),
      })),
    }),
  } as unknown as Broker
  const cluster = {
    addMultipleTargetTopics: async () => undefined,
    refreshMetadataIfNecessary: async () => undefined,
    findTopicPartitionMetadata: () => [{ partitionId: 0 }],
    findLeaderForPartitions: () => ({ 1: [0] }),
    findBroker: async () => broker,
  } as unknown as Cluster
  const bounds = await fetchBounds(cluster, ['events'])
  expect(hiddenIn(bounds)).toEqual([])
  expect(bounds).toEqual([{ topic: 'events', partition: 0, from: 0, to: 11, end: 11 }])
})
