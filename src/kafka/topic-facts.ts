import type { Admin, DescribeConfigResponse } from 'kafkajs'
import type { Fact, TopicFacts, TopicRole, TopicSettings } from '../diagnosis/facts.ts'
import { isPattern } from '../events/topic-selection.ts'
import type { InputTopics } from '../intake/input-topics.ts'
import { codeOf, messageOf } from '../lib/errors.ts'
import { plainText, protocolType } from './client-words.ts'
import type { KafkaTopics } from './kafka-topics.ts'
import { kafkajs } from './kafkajs/kafkajs.ts'

export interface TopicNames {
  readonly inputs: InputTopics
  /** Both are undefined if they are not checked. */
  readonly outcome: string | undefined
  readonly deadLetter: string | undefined
  /** The outcome topic is that of shadow mode, which settles nothing. */
  readonly isShadow?: boolean
}

/** Of the topics that patterns bring: what one platform has made mostly has the same settings, and each would be warned of. */
const MATCHED_EXAMINED_MAX = 10
const SETTINGS = ['cleanup.policy', 'retention.ms', 'retention.bytes']
/** Permanent refusals. Other failures come from a cluster in trouble. */
const REFUSALS = new Set([
  'TOPIC_AUTHORIZATION_FAILED',
  'GROUP_AUTHORIZATION_FAILED',
  'CLUSTER_AUTHORIZATION_FAILED',
  'UNSUPPORTED_VERSION',
])

/**
 * Reads the facts about the relay's topics that the checks need. A refused request leaves its fact unread. Throws when the
 * cluster cannot be reached.
 */
export class TopicFactsReader {
  readonly #topics: KafkaTopics
  readonly #names: TopicNames

  constructor(topics: KafkaTopics, names: TopicNames) {
    this.#topics = topics
    this.#names = names
  }

  async read(): Promise<TopicFacts[]> {
    const { inputs } = this.#names
    const facts = inputs.uses().flatMap(({ pattern: topic, matches }): TopicFacts[] => {
      const input = { topic, partitions: 0, roles: ['input'] } as const
      if (isPattern(topic))
        return [
          { ...input, settings: { unread: 'it is a pattern' }, pattern: { matches, left: inputs.left } },
        ]
      return matches > 0 ? [] : [{ ...input, settings: { unread: 'it does not exist' }, isOptional: true }]
    })
    for (const [topic, roles] of this.#roles()) {
      // First, because unlike a metadata request it never makes the cluster create the topic.
      const settings = await this.#settings(topic)
      // It has been deleted since it was seen, and is no finding.
      if (settings === undefined && inputs.patternOf(topic) !== undefined) continue
      const partitions = settings === undefined ? 0 : await this.#partitions(topic)
      facts.push({ topic, roles, partitions, settings: settings ?? { unread: 'it does not exist' } })
    }
    return facts
  }

  #roles(): ReadonlyMap<string, readonly TopicRole[]> {
    const { deadLetter, inputs, isShadow = false, outcome } = this.#names
    const roles = new Map<string, TopicRole[]>()
    const add = (topic: string | undefined, role: TopicRole): void => {
      if (topic !== undefined) roles.set(topic, [...(roles.get(topic) ?? []), role])
    }
    for (const topic of examined(inputs)) add(topic, 'input')
    add(outcome, isShadow ? 'shadow' : 'outcome')
    add(deadLetter, 'dead-letter')
    return roles
  }

  /** `undefined` when the topic does not exist. A refusal is an answer, so the admin connection stays open. */
  #settings(topic: string): Promise<Fact<TopicSettings> | undefined> {
    return this.#topics.ask(async (admin) => {
      try {
        return { value: settingsIn(await describe(admin, topic)) }
      } catch (error) {
        if ((error as { type?: string }).type === 'UNKNOWN_TOPIC_OR_PARTITION') return undefined
        const unread = refusalIn(error)
        if (unread === undefined) throw error
        return { unread }
      }
    })
  }

  async #partitions(topic: string): Promise<number> {
    try {
      return (await this.#topics.partitions(topic)).length
    } catch (error) {
      if (codeOf(error) === 'LR_TOPIC_MISSING') return 0
      // A topic with a leaderless partition exists all the same.
      if (isLeaderless(error)) {
        return (await this.#topics.layout(topic)).length
      }
      throw error
    }
  }
}

/** Topics that are named, and some of the others. */
function examined({ matched, selection }: InputTopics): readonly string[] {
  return [...selection.names, ...matched.slice(0, MATCHED_EXAMINED_MAX)]
}

function isLeaderless(error: unknown): boolean {
  return protocolType(error) === 'LEADER_NOT_AVAILABLE'
}

/** The cluster's message if the error is a refusal, else `undefined`. */
export function refusalIn(error: unknown): string | undefined {
  const { name, type = '' } = error as { name?: string; type?: string }
  const isRefusal = REFUSALS.has(type) || name === 'KafkaJSServerDoesNotSupportApiKey'
  return isRefusal ? plainText(messageOf(error)) : undefined
}

function describe(admin: Admin, topic: string): Promise<DescribeConfigResponse> {
  const resource = { type: kafkajs.ConfigResourceTypes.TOPIC, name: topic, configNames: SETTINGS }
  return admin.describeConfigs({ includeSynonyms: false, resources: [resource] })
}

function settingsIn({ resources }: DescribeConfigResponse): TopicSettings {
  const entries = resources[0]?.configEntries ?? []
  const setting = (name: string) => entries.find(({ configName }) => configName === name)?.configValue
  return {
    cleanupPolicies: (setting('cleanup.policy') ?? 'delete').split(','),
    retentionMs: Number(setting('retention.ms') ?? -1),
    retentionBytes: Number(setting('retention.bytes') ?? -1),
  }
}
