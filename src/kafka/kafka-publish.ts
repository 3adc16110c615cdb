import type { Kafka } from 'kafkajs'
import type { OutgoingRecord } from '../delivery/outcome-log.ts'
import type { RecordPosition } from '../events/wire-record.ts'
import { RelayFault } from '../lib/errors.ts'
import { explainRefusal } from './kafka-refusal.ts'
import type { KafkaTopics } from './kafka-topics.ts'
import { kafkajs } from './kafkajs/kafkajs.ts'
import { partitionOfKey } from './key-partition.ts'

const SEND_TIMEOUT_MS = 5_000
const ALL_IN_SYNC_REPLICAS = -1

/**
 * Appends one record. Resolves with its position when all in-sync replicas have it. Throws `LR_TOPIC_MISSING`, or when Kafka
 * is out of reach; the record may have been written then.
 */
export async function publishRecord(
  kafka: Kafka,
  topics: KafkaTopics,
  { topic, key, value, headers }: OutgoingRecord & { readonly key: string },
): Promise<RecordPosition> {
  const partition = partitionOfKey(key, (await topics.partitions(topic)).length)
  const producer = kafka.producer({
    allowAutoTopicCreation: false,
    createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
  })
  try {
    await producer.connect()
    const answered = await producer.send({
      topic,
      acks: ALL_IN_SYNC_REPLICAS,
      timeout: SEND_TIMEOUT_MS,
      messages: [{ key, value, headers, partition }],
    })
    const offset = answered.find((it) => it.partition === partition)?.baseOffset
    if (offset === undefined) {
      throw new RelayFault('LR_PUBLISH_INCOMPLETE', `no acknowledgement for ${topic}/${partition}`)
    }
    return { topic, partition, offset: Number(offset) }
  } catch (error) {
    throw explainRefusal(error, `Write on topic ${topic}`)
  } finally {
    await producer.disconnect().catch(() => undefined)
  }
}
