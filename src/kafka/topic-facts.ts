import type { Admin, DescribeConfigResponse } from 'kafkajs'
import type { Fact, TopicFacts, TopicRole, TopicSettings } from '../checks/facts.ts'
import { codeOf, messageOf } from '../errors.ts'
import type { KafkaTopics } from './kafka-topics.ts'
import { kafkajs } from './kafkajs.ts'

export interface TopicNames {
  readonly inputs: readonly string[]
  readonly outcome: string
  readonly deadLetter: string
}

const SETTINGS = ['cleanup.policy', 'retention.ms', 'retention.bytes']
/** A broker that refuses this will refuse it the next time, too; other failures come from a cluster in trouble. */
const REFUSALS = new Set([
  'TOPIC_AUTHORIZATION_FAILED',
  'CLUSTER_AUTHORIZATION_FAILED',
  'UNSUPPORTED_VERSION',
])

/**
 * Looks up what the checks want to know of the relay's topics. A request that the cluster refuses leaves a fact unread.
 * Throws when the cluster cannot be reached.
 */
export class TopicFactsReader {
  readonly #topics: KafkaTopics
  readonly #roles = new Map<string, TopicRole[]>()

  constructor(topics: KafkaTopics, { inputs, outcome, deadLetter }: TopicNames) {
    this.#topics = topics
    for (const topic of inputs) this.#roles.set(topic, ['input'])
    this.#roles.set(outcome, [...(this.#roles.get(outcome) ?? []), 'outcome'])
    this.#roles.set(deadLetter, [...(this.#roles.get(deadLetter) ?? []), 'dead-letter'])
  }

  async read(): Promise<TopicFacts[]> {
    const facts: TopicFacts[] = []
    for (const [topic, roles] of this.#roles) {
      // Asked first: unlike a request for its metadata, this never makes the cluster create the topic.
      const settings = await this.#settings(topic)
      const partitions = settings === undefined ? 0 : await this.#partitions(topic)
      facts.push({ topic, roles, partitions, settings: settings ?? { unread: 'it does not exist' } })
    }
    return facts
  }

  /** `undefined` when the topic does not exist. A refusal is an answer: it must not cost the admin connection. */
  #settings(topic: string): Promise<Fact<TopicSettings> | undefined> {
    return this.#topics.ask(async (admin) => {
      try {
        return { value: settingsIn(await describe(admin, topic)) }
      } catch (error) {
        const { name, type = '' } = error as { name?: string; type?: string }
        if (type === 'UNKNOWN_TOPIC_OR_PARTITION') return undefined
        if (REFUSALS.has(type) || name === 'KafkaJSServerDoesNotSupportApiKey') {
          return { unread: messageOf(error) }
        }
        throw error
      }
    })
  }

  async #partitions(topic: string): Promise<number> {
    try {
      return (await this.#topics.partitions(topic)).length
    } catch (error) {
      if (codeOf(error) === 'LR_TOPIC_MISSING') return 0
      throw error
    }
  }
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
