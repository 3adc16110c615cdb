import { once } from 'node:events'
import { createKafkaClient } from '../../src/kafka/kafka-client.ts'
import { startStack } from './stack.ts'

// Nothing is stopped by a signal that comes earlier, because everything ends with this process anyway.
await using stack = await startStack({ isLongLived: true })
// Without Kafka's own tools nothing else would make it. Whoever has given a Kafka has topics of his own.
if (!process.env.KAFKA_BROKERS) await createTopic()
process.stdout.write(`export KAFKA_BROKERS=${stack.kafkaBrokers} REDIS_URL=${stack.redisUrl}\n`)
process.stderr.write(`It runs until Ctrl-C. Paste the line above into another terminal.\n`)
// Addresses from outside leave nothing else to wait for.
const keptAlive = setInterval(() => {}, 60_000)
await Promise.race(['SIGINT', 'SIGTERM', 'SIGHUP'].map((signal) => once(process, signal)))
clearInterval(keptAlive)

/** The default input topic, with the retention that the default session lifetime asks for. */
async function createTopic(): Promise<void> {
  const admin = createKafkaClient([stack.kafkaBrokers], 'stack', () => undefined).admin()
  await admin.connect()
  const configEntries = [{ name: 'retention.ms', value: '2592000000' }]
  await admin.createTopics({ topics: [{ topic: 'session-events', numPartitions: 3, configEntries }] })
  await admin.disconnect()
}
