import type { FeedFacts, MappingReach } from '../diagnosis/feed-files.ts'
import type { Mapping } from '../events/decoding/mapping/mapping.ts'
import { isTopic } from '../events/topic-selection.ts'
import type { InputTopics } from '../intake/input-topics.ts'
import type { Issuers } from '../issuers/issuers.ts'

export interface FeedParts {
  /** As of the last look. */
  readonly inputs: InputTopics
  /** `undefined` where they are not known. */
  readonly issuers: Pick<Issuers, 'knows' | 'only' | 'resolve'> | undefined
  readonly mappings: readonly Mapping[]
}

/** What the file of rules names, and whether it is there. */
export function feedFacts({ inputs, issuers, mappings }: FeedParts): FeedFacts {
  const byTopic = new Map(
    inputs.names.map((topic) => [
      topic,
      mappings.find(({ topics }) => topics.some((it) => isTopic(it, topic))),
    ]),
  )
  return {
    mappings: mappings.map((mapping): MappingReach => {
      const own = inputs.names.filter((topic) => byTopic.get(topic) === mapping)
      return {
        mapping: mapping.topics[0] as string,
        unread: mapping.topics.filter(
          (it) => !own.some((topic) => isTopic(it, topic)) && !isMissing(it, inputs),
        ),
        unknownIssuers: unknownIssuers(mapping, issuers),
        withoutIssuer: issuers === undefined || issuers.only !== undefined ? [] : withoutIssuer(mapping),
      }
    }),
  }
}

/** `KAFKA_TOPICS` has the same pattern, and is told already that nothing matches it. */
function isMissing(entry: string, { names, selection }: InputTopics): boolean {
  return selection.patterns.includes(entry) && !names.some((topic) => isTopic(entry, topic))
}

function unknownIssuers({ rules }: Mapping, issuers: FeedParts['issuers']): MappingReach['unknownIssuers'] {
  if (issuers === undefined) return []
  const named = rules.flatMap(({ issuers: constants, name }) => constants.map((issuer) => ({ issuer, name })))
  const isKnown = (issuer: string) => issuers.knows(issuers.resolve(issuer) ?? issuer)
  return [...Map.groupBy(named, ({ issuer }) => issuer)]
    .filter(([issuer]) => !isKnown(issuer))
    .map(([issuer, of]) => ({ issuer, rules: [...new Set(of.map(({ name }) => name))] }))
}

function withoutIssuer({ rules }: Mapping): string[] {
  const names = (fields: readonly (readonly [string, unknown])[]) => fields.map(([name]) => name)
  return rules
    .filter(({ emit }) => emit.some(({ fields }) => !names(fields).includes('issuer')))
    .map(({ name }) => name)
}
