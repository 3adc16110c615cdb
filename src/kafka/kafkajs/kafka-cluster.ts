import type { Kafka, KafkaMessage } from 'kafkajs'
import { kafkajs } from './kafkajs.ts'

/*
 * kafkajs reads only as a member of a group, and its admin client hides the broker's answers. Its cluster object sends any
 * request. It is reached as in `group-internals.ts`.
 */

interface TopicOffsets {
  topic: string
  partitions: { partition: number; offset: string; timestamp: string }[]
}

export interface FetchedPartition {
  partition: number
  highWatermark: string
  lastStableOffset: string
  messages: KafkaMessage[]
}

export interface Broker {
  /** By request number; null before it is connected. */
  readonly versions: Readonly<Record<number, { minVersion: number; maxVersion: number } | undefined>> | null
  readonly connectionPool: {
    send<T>(exchange: {
      request: { apiKey: number; apiVersion: number; apiName: string; encode(): Promise<unknown> }
      response: { decode(payload: Buffer): Promise<T>; parse(data: T): Promise<T> }
    }): Promise<T>
  }
  fetch(request: {
    maxWaitTime: number
    minBytes: number
    maxBytes: number
    isolationLevel: number
    topics: {
      topic: string
      partitions: { partition: number; fetchOffset: string; maxBytes: number }[]
    }[]
  }): Promise<{ responses: { topicName: string; partitions: FetchedPartition[] }[] }>
  listOffsets(request: {
    isolationLevel: number
    topics: { topic: string; partitions: { partition: number; timestamp: number }[] }[]
  }): Promise<{ responses: TopicOffsets[] }>
  offsetCommit(request: {
    groupId: string
    groupGenerationId: number
    memberId: string
    topics: { topic: string; partitions: { partition: number; offset: string; metadata: string }[] }[]
  }): Promise<unknown>
}

export interface Cluster {
  readonly brokerPool: { findConnectedBroker(): Promise<Broker> }
  /** Those whose metadata are requested. */
  readonly targetTopics: Set<string>
  connect(): Promise<void>
  disconnect(): Promise<void>
  addMultipleTargetTopics(topics: string[]): Promise<void>
  refreshMetadata(): Promise<void>
  refreshMetadataIfNecessary(): Promise<void>
  findTopicPartitionMetadata(topic: string): { partitionId: number; leader: number }[]
  findLeaderForPartitions(topic: string, partitions: number[]): Record<string, number[]>
  findBroker(node: { nodeId: string }): Promise<Broker>
  findGroupCoordinator(group: { groupId: string }): Promise<Broker>
}

export const READ_UNCOMMITTED = 0
export const READ_COMMITTED = 1

/** A separate cluster object with its own connections. It never makes the broker create a topic. */
export function createCluster(kafka: Kafka): Cluster {
  let found: Cluster | undefined
  kafka.consumer({
    groupId: 'logout-relay-reader',
    allowAutoTopicCreation: false,
    metadataMaxAge: 0,
    partitionAssigners: [
      (config) => {
        found = config.cluster as unknown as Cluster
        return kafkajs.PartitionAssigners.roundRobin(config)
      },
    ],
  })
  return found as unknown as Cluster
}
