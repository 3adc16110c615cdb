/** How the relay reaches Kafka, as far as Kafka's own tools need to know it. */
export interface ReachedKafka {
  readonly brokers: readonly string[]
  readonly isTls?: boolean | undefined
  readonly sasl?: { readonly mechanism?: string | undefined } | undefined
}

const PARTITIONS = 12
/** As long as sessions live where nothing else is configured. */
const RETENTION_MS = 30 * 86_400_000

/**
 * What an operator runs to create an input topic that keeps its records long enough, in milliseconds. Without `kafka` the brokers
 * are those of the shell's environment.
 */
export function createTopicCommand(topic: string, kafka?: ReachedKafka, retentionMs = RETENTION_MS): string {
  const brokers = kafka?.brokers.join(',') ?? '"$KAFKA_BROKERS"'
  // What TLS and logins need these tools read from a file alone.
  const isSecured = kafka?.isTls === true || kafka?.sasl?.mechanism !== undefined
  const file = isSecured ? ' --command-config client.properties' : ''
  const settings = `--config retention.ms=${retentionMs} --config cleanup.policy=delete`
  return `kafka-topics.sh --bootstrap-server ${brokers}${file} --create --topic ${topic} --partitions ${PARTITIONS} ${settings}`
}
