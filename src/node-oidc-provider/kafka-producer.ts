import { createRequire } from 'node:module'
import type { Kafka, Producer } from 'kafkajs'
import { settledWithin } from '../lib/deferred.ts'

/** What is used of a producer of kafkajs. */
export interface KafkaProducer {
  /** Resolves with what each partition answered. */
  send(record: {
    topic: string
    acks: number
    messages: { key: string; value: string; headers: Record<string, string> }[]
  }): Promise<readonly object[]>
}

const CONNECTION_TIMEOUT_MS = 3_000
const REQUEST_TIMEOUT_MS = 5_000

/** What a broker says of one record that it will never take: of its size, or of what its topic demands of records. */
const REFUSALS = new Set(['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE', 'INVALID_RECORD'])
const CAUSES_MAX = 5

/**
 * Why Kafka will never take what was sent; `undefined` for a failure that may pass, as all do that somebody can remedy without
 * the provider, such as a missing topic or right.
 */
export function refusalIn(error: unknown): string | undefined {
  let at = error
  for (let depth = 0; depth < CAUSES_MAX && typeof at === 'object' && at !== null; depth++) {
    const { cause, originalError, type } = at as { cause?: unknown; originalError?: unknown; type?: unknown }
    if (typeof type === 'string' && REFUSALS.has(type)) return type
    at = originalError ?? cause
  }
  return undefined
}

/**
 * A producer that is replaced after each failure, because some failures persist in it. It does not repeat anything: kafkajs
 * loses records in its own repetitions. It is kafkajs as it is: the provider may use it for other things.
 */
export class OwnProducer implements KafkaProducer {
  readonly #kafka: Kafka
  #producer: Promise<Producer> | undefined

  constructor(brokers: readonly string[]) {
    // Loaded only here: with a producer of its own the provider may have another version.
    const kafkajs = createRequire(import.meta.url)('kafkajs') as typeof import('kafkajs')
    this.#kafka = new kafkajs.Kafka({
      clientId: 'logout-relay-node-oidc-provider',
      brokers: [...brokers],
      connectionTimeout: CONNECTION_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      retry: { retries: 0 },
      logLevel: kafkajs.logLevel.NOTHING,
    })
  }

  /** Rejects when Kafka is out of reach. */
  async connect(): Promise<void> {
    try {
      await this.#connected()
    } catch (error) {
      await this.#discard()
      throw error
    }
  }

  async send(record: Parameters<KafkaProducer['send']>[0]): Promise<readonly object[]> {
    try {
      const producer = await this.#connected()
      return await producer.send(record)
    } catch (error) {
      // A regular answer, after which the producer is well.
      if (refusalIn(error) === undefined) await this.#discard()
      throw error
    }
  }

  async close(): Promise<void> {
    await this.#discard()
  }

  #connected(): Promise<Producer> {
    this.#producer ??= this.#open()
    return this.#producer
  }

  async #open(): Promise<Producer> {
    const producer = this.#kafka.producer({ allowAutoTopicCreation: false })
    await producer.connect()
    return producer
  }

  async #discard(): Promise<void> {
    const old = this.#producer
    this.#producer = undefined
    if (old === undefined) return
    await settledWithin(
      old.then((producer) => producer.disconnect()),
      1_000,
    )
  }
}
