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
 * kafkajs throws when the metadata of any topic have an error, also where it asks for all those that a client has ever
 * wanted, as it does before nearly everything. So one topic would stop the others:
 *
 * - One without a leader, of somebody else, where all topics of the cluster were asked for, which it does whenever no
 *   particular one is wanted. That is taken as it is; what was asked for some keeps its error.
 * - One that was deleted, where several were asked for: it has no partitions then. Where none of them is there, or it was
 *   asked for alone, it keeps its error.
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
