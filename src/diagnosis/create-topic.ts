/** How the relay reaches Kafka, as far as Kafka's own tools need to know it. */
export interface ReachedKafka {
  readonly brokers: readonly string[]
  readonly isTls?: boolean | undefined
  readonly sasl?: { readonly mechanism?: string | undefined } | undefined
}

const PARTITIONS = 12

/** What an operator runs to create an input topic. Without `kafka` the brokers are those of the shell's environment. */
export function createTopicCommand(topic: string, kafka?: ReachedKafka): string {
  const brokers = kafka?.brokers.join(',') ?? '"$KAFKA_BROKERS"'
  // What TLS and logins need these tools read from a file alone.
  const isSecured = kafka?.isTls === true || kafka?.sasl?.mechanism !== undefined
  const file = isSecured ? ' --command-config client.properties' : ''
  return `kafka-topics.sh --bootstrap-server ${brokers}${file} --create --topic ${topic} --partitions ${PARTITIONS}`
}
