interface TopicMetadata {
  readonly topicErrorCode: number
  readonly topic: string
  readonly partitionMetadata: readonly object[]
}

interface Metadata {
  readonly topicMetadata: readonly TopicMetadata[]
}

interface Exchange {
  readonly request: unknown
  readonly response: { readonly parse: (data: Metadata) => Promise<unknown> }
}

interface MetadataRequests {
  readonly protocol: (of: { version: number }) => (options: { topics: readonly string[] }) => Exchange
}

const NONE = 0
const UNKNOWN_TOPIC_OR_PARTITION = 3

/**
 * kafkajs throws if the metadata of any topic have an error. Before nearly every request it asks for all topics that the
 * client has ever used, so one topic would block the others. Two errors are tolerated:
 *
 * - A foreign topic without a leader, in a request for all topics of the cluster, which kafkajs sends when it needs none in
 *   particular. A request for named topics keeps the error.
 * - A deleted topic, in a request for several topics: it gets no partitions. It keeps the error if it is requested alone,
 *   or if all topics are missing.
 */
export function tolerantMetadata(original: MetadataRequests): MetadataRequests {
  return {
    ...original,
    protocol: (of) => {
      const exchange = original.protocol(of)
      return (options) => {
        const { request, response } = exchange(options)
        const parse = async (data: Metadata) =>
          options.topics.length > 0 ? response.parse(withoutMissing(data)) : data
        return { request, response: { ...response, parse } }
      }
    },
  }
}

function withoutMissing(data: Metadata): Metadata {
  const isMissing = ({ topicErrorCode }: TopicMetadata) => topicErrorCode === UNKNOWN_TOPIC_OR_PARTITION
  if (data.topicMetadata.every(isMissing)) return data
  return {
    ...data,
    topicMetadata: data.topicMetadata.map((it) =>
      isMissing(it) ? { ...it, topicErrorCode: NONE, partitionMetadata: [] } : it,
    ),
  }
}
