type Parsed = (data: unknown) => Promise<unknown>

interface Exchange {
  readonly request: unknown
  readonly response: { readonly parse: Parsed }
}

interface MetadataRequests {
  readonly protocol: (of: { version: number }) => (options: { topics: readonly string[] }) => Exchange
}

/**
 * kafkajs throws when the metadata say that any partition has no leader. Where it has asked for all topics of the
 * cluster, which it does whenever no particular one is wanted, a topic of somebody else would so keep the relay from
 * starting. What was asked for all topics is therefore taken as it is; what was asked for some keeps its error.
 */
export function tolerantMetadata(original: MetadataRequests): MetadataRequests {
  return {
    ...original,
    protocol: (of) => {
      const exchange = original.protocol(of)
      return (options) => {
        const { request, response } = exchange(options)
        if (options.topics.length > 0) return { request, response }
        return { request, response: { ...response, parse: async (data) => data } }
      }
    },
  }
}
