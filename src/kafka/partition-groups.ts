interface PartitionedMessage {
  readonly partition: number
}

/**
 * Messages by partition, in their order. kafkajs copies a partition's list for each message that it adds. Every
 * message of the relay names its partition, so nothing is chosen here.
 */
export function groupByPartition<T extends PartitionedMessage>({
  messages,
}: {
  messages: readonly T[]
}): Record<number, T[]> {
  const groups: Record<number, T[]> = {}
  for (const message of messages) {
    const group = groups[message.partition]
    if (group === undefined) groups[message.partition] = [message]
    else group.push(message)
  }
  return groups
}
