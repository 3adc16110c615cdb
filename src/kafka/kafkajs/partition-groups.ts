interface Message {
  readonly partition?: number
}

interface Grouping<T extends Message> {
  readonly topic: string
  readonly partitionMetadata: readonly unknown[]
  readonly messages: readonly T[]
  readonly partitioner: (choice: {
    topic: string
    partitionMetadata: readonly unknown[]
    message: T
  }) => number
}

/** Messages by partition, in their order. kafkajs copies a partition's list for each message that it adds. */
export function groupByPartition<T extends Message>(grouping: Grouping<T>): Record<number, T[]> {
  const { topic, partitionMetadata, messages, partitioner } = grouping
  const groups: Record<number, T[]> = {}
  if (partitionMetadata.length === 0) return groups
  for (const message of messages) {
    const partition = message.partition ?? partitioner({ topic, partitionMetadata, message })
    const group = groups[partition]
    if (group === undefined) groups[partition] = [message]
    else group.push(message)
  }
  return groups
}
