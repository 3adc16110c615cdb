import type { KafkaTopics } from './kafka-topics.ts'
import { kafkajs } from './kafkajs/kafkajs.ts'

/** A limit that was looked up holds so long: it is wanted again with each large record. */
const AGE_MS_MAX = 60_000
const SETTING = 'max.message.bytes'

/** Looks up what a topic takes of one record, in bytes; `undefined` where the relay may not know. */
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
      // What keeps it from being told does not keep a letter from being written.
      const answer = await admin
        .describeConfigs({ includeSynonyms: false, resources: [resource] })
        .catch(() => undefined)
      const entry = answer?.resources[0]?.configEntries.find(({ configName }) => configName === SETTING)
      return entry === undefined ? undefined : Number(entry.configValue)
    })
  }
}
