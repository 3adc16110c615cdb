import type { KafkaTopics } from './kafka-topics.ts'
import { kafkajs } from './kafkajs/kafkajs.ts'

/** How long a limit is cached: each large record needs it. */
const AGE_MS_MAX = 60_000
const SETTING = 'max.message.bytes'

/** Looks up a topic's limit for one record, in bytes; `undefined` if the relay may not read it. */
export class RecordLimit {
  readonly #topics: KafkaTopics
  readonly #topic: string
  #known: { readonly bytes: number | undefined; readonly readAtMs: number } | undefined

  constructor(topics: KafkaTopics, topic: string) {
    this.#topics = topics
    this.#topic = topic
  }

  async read(): Promise<number | undefined> {
    if (this.#known === undefined || performance.now() - this.#known.readAtMs > AGE_MS_MAX) {
      this.#known = { bytes: await this.#look(), readAtMs: performance.now() }
    }
    return this.#known.bytes
  }

  #look(): Promise<number | undefined> {
    const resource = { type: kafkajs.ConfigResourceTypes.TOPIC, name: this.#topic, configNames: [SETTING] }
    return this.#topics.ask(async (admin) => {
      // A failed lookup must not prevent a dead letter.
      const answer = await admin
        .describeConfigs({ includeSynonyms: false, resources: [resource] })
        .catch(() => undefined)
      const entry = answer?.resources[0]?.configEntries.find(({ configName }) => configName === SETTING)
      return entry === undefined ? undefined : Number(entry.configValue)
    })
  }
}
