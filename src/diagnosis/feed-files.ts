import { wordFor } from '../lib/counted.ts'
import type { Check } from './check.ts'
import type { Expectations } from './facts.ts'
import { type Found, ok, warning } from './finding.ts'

/** How what `MAPPING_FILE` says of records meets what there is. */
export interface FeedFacts {
  readonly mappings: readonly MappingReach[]
}

/** What a mapping names that is not there. */
export interface MappingReach {
  /** The first of its topics. */
  readonly mapping: string
  /** Of its topics and patterns, those to which no topic comes that is read. */
  readonly unread: readonly string[]
  readonly unknownIssuers: readonly { readonly issuer: string; readonly rules: readonly string[] }[]
  /** Rules that name no issuer, where the relay serves several. */
  readonly withoutIssuer: readonly string[]
}

const NAMED_MAX = 10

function checkTopics({ mappings }: FeedFacts): Found[] {
  const found = mappings.flatMap(({ unread }) =>
    unread.map((topic) =>
      warning(
        `MAPPING_FILE has rules for ${topic}, but no topic that the relay reads comes to them`,
        `correct ${topic} in MAPPING_FILE, or add it to KAFKA_TOPICS; ignore this if the platform creates the topic later`,
        topic,
      ),
    ),
  )
  return found.length > 0 ? found : [ok('every topic of MAPPING_FILE is read, if it names any')]
}

function checkIssuers({ mappings }: FeedFacts, { issuers }: Pick<Expectations, 'issuers'>): Found[] {
  const served = issuers()
  const found = mappings.flatMap(({ mapping, unknownIssuers, withoutIssuer }) => [
    ...unknownIssuers.map(({ issuer, rules }) =>
      warning(
        `${wordFor(rules.length, 'rule')} ${listed(rules)} for ${mapping} ${wordFor(rules.length, 'names', 'name')} the issuer ${issuer}, which this relay does not serve: their records are skipped`,
        `correct it in MAPPING_FILE to an issuer (${listed(served)}) or one of its aliases, or add it to ISSUERS_FILE`,
        `${mapping} ${issuer}`,
      ),
    ),
    ...(withoutIssuer.length === 0
      ? []
      : [
          warning(
            `${wordFor(withoutIssuer.length, 'rule')} ${listed(withoutIssuer)} for ${mapping} ${wordFor(withoutIssuer.length, 'names', 'name')} no issuer, and this relay serves several: their records become dead letters`,
            'give the mapping an issuer, or its rules a field issuer',
            mapping,
          ),
        ]),
  ])
  return found.length > 0 ? found : [ok('every issuer that MAPPING_FILE names is served, if it names any')]
}

function listed(names: readonly string[]): string {
  const more = names.length - NAMED_MAX
  return `${names.slice(0, NAMED_MAX).join(', ')}${more > 0 ? ` and ${more} more` : ''}`
}

export const feedChecks = (expected: Pick<Expectations, 'issuers'>): readonly Check<FeedFacts>[] => [
  { name: 'mapping-topics', runs: 'always', find: checkTopics },
  { name: 'mapping-issuer', runs: 'always', find: (facts) => checkIssuers(facts, expected) },
]
