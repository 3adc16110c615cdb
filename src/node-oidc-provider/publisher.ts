import { randomUUID } from 'node:crypto'
import { settledWithin } from '../lib/deferred.ts'
import { messageOf, RelayFault } from '../lib/errors.ts'
import { MicroBatcher } from '../lib/micro-batcher.ts'
import { type KafkaProducer, refusalIn } from './kafka-producer.ts'

/**
 * What became of a record in the time that a request may wait for it.
 * - `published`: Kafka has it.
 * - `buffered`: it is in memory, and sent again until Kafka has it or the process ends.
 * - `lost`: it is gone.
 */
export type Published = 'published' | 'buffered' | 'lost'

export interface PublisherOptions {
  readonly producer: KafkaProducer
  readonly topic: string
  readonly issuer: string
  /** How long a request, or `close`, waits for Kafka. */
  readonly timeoutMs: number
  /** Must not throw. */
  readonly onError: (error: Error) => void
}

/** What an identity provider says of its sessions. */
export type RecordData = { readonly userId: string; readonly sessionId?: string } & Readonly<
  Record<string, unknown>
>

interface Waiting {
  /** For people. */
  readonly name: string
  readonly key: string
  readonly value: string
  readonly headers: Readonly<Record<string, string>>
  /** `refused`: Kafka will never take it. */
  state: 'waiting' | 'acknowledged' | 'refused'
  readonly settled: PromiseWithResolvers<void>
}

/** Some 10 MB. An outage of Kafka must not fill the memory of the provider. */
const WAITING_MAX = 10_000
const BATCH_MAX = 100
/** A relay takes no longer ones, and none with such characters; and a record without its ids is nothing. */
const ID_CHARACTERS_MAX = 1_024
const NOT_IN_IDS = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]/u
/** What is larger no relay reads. */
const VALUE_BYTES_MAX = 256 * 1_024

/**
 * Writes records to Kafka, those of one session in their order. A request waits for the acknowledgement, but not for longer
 * than the time limit, and not at all while Kafka is known to be away. A record that Kafka refuses for good is left out, and
 * holds up no other. Nothing is lost without a word to `onError`.
 */
export class Publisher {
  readonly #options: PublisherOptions
  readonly #batcher: MicroBatcher<Waiting>
  #failure: unknown
  #isClosed = false

  constructor(options: PublisherOptions) {
    this.#options = options
    this.#batcher = new MicroBatcher({
      flush: (batch) => this.#send(batch),
      onFlushed: () => {
        this.#failure = undefined
      },
      onError: (error) => {
        this.#failure = error
      },
      maxBatch: BATCH_MAX,
    })
  }

  /** Never throws, and never waits for longer than the time limit. */
  async publish(type: string, data: RecordData): Promise<Published> {
    const { issuer, timeoutMs, topic } = this.#options
    const key = data.sessionId ?? data.userId
    const time = new Date().toISOString()
    const record: Waiting = {
      name: `${type} of ${data.sessionId === undefined ? 'user' : 'session'} ${key}`,
      key,
      value: JSON.stringify({ issuer, ...data }),
      headers: {
        ...{ ce_specversion: '1.0', ce_id: randomUUID(), ce_source: issuer, ce_type: type, ce_time: time },
        'content-type': 'application/json',
      },
      state: 'waiting',
      settled: Promise.withResolvers(),
    }
    if (this.#isClosed) return this.#lost(record, 'it came after close()')
    const wrong = [data.userId, data.sessionId ?? data.userId].some((id: unknown) => !isId(id))
    // Kafka would refuse it, or the relay: it must not be tried again and again, before those behind it.
    if (wrong)
      return this.#lost(
        record,
        `its ids must be texts of 1 to ${ID_CHARACTERS_MAX} characters, without control characters`,
      )
    const bytes = Buffer.byteLength(record.value)
    if (bytes > VALUE_BYTES_MAX)
      return this.#lost(record, `it has ${bytes} bytes, and a relay reads ${VALUE_BYTES_MAX} at most`)
    if (this.#batcher.size >= WAITING_MAX) return this.#lost(record, `${WAITING_MAX} others wait for Kafka`)
    const isKnownAway = this.#failure !== undefined
    this.#batcher.add(record)
    if (!isKnownAway) await settledWithin(record.settled.promise, timeoutMs)
    if (record.state !== 'waiting') return record.state === 'acknowledged' ? 'published' : 'lost'
    const why = this.#failure === undefined ? 'no answer' : messageOf(this.#failure)
    const text = `${record.name}: Kafka has not acknowledged it on topic ${topic} (${why}); it is kept in memory, and sent again`
    this.#options.onError(new RelayFault('LR_UNREACHABLE', text, { cause: this.#failure }))
    return 'buffered'
  }

  /** Waits for what is not acknowledged yet, for the time limit at most. */
  async close(): Promise<void> {
    this.#isClosed = true
    await settledWithin(this.#batcher.idle(), this.#options.timeoutMs)
    for (const record of this.#batcher.unflushed())
      if (record.state === 'waiting') this.#lost(record, 'Kafka did not acknowledge it before close()')
    this.#batcher.stop()
  }

  #lost({ name }: Waiting, why: string): Published {
    this.#options.onError(new RelayFault('LR_RECORD_LOST', `${name}: it is lost, because ${why}`))
    return 'lost'
  }

  /** Throws if one of them still waits; the others are not sent again. */
  async #send(batch: readonly Waiting[]): Promise<void> {
    const byKey = Map.groupBy(
      batch.filter(({ state }) => state === 'waiting'),
      ({ key }) => key,
    )
    const results = await Promise.allSettled([...byKey.values()].map((records) => this.#sendOf(records)))
    for (const result of results) if (result.status === 'rejected') throw result.reason
  }

  /** Records of one key. */
  async #sendOf(records: readonly Waiting[]): Promise<void> {
    try {
      await this.#request(records)
    } catch (error) {
      const refusal = refusalIn(error)
      if (refusal === undefined) throw error
      const [record, ...others] = records as [Waiting, ...Waiting[]]
      if (others.length === 0) {
        this.#settle(record, 'refused')
        this.#lost(record, `Kafka refuses it for good on topic ${this.#options.topic} (${refusal})`)
        return
      }
      // Which of them it is, only Kafka knows; or they are too large together.
      for (const it of records) await this.#sendOf([it])
    }
  }

  /** Of one key, and so of one partition: kafkajs resolves a request over several although a part of it was never sent. */
  async #request(records: readonly Waiting[]): Promise<void> {
    const { producer, topic } = this.#options
    const messages = records.map(({ key, value, headers }) => ({ key, value, headers }))
    const answered = await producer.send({ topic, acks: -1, messages })
    if (answered.length === 0)
      throw new RelayFault('LR_PUBLISH_INCOMPLETE', `no acknowledgement for ${topic}`)
    for (const record of records) this.#settle(record, 'acknowledged')
  }

  #settle(record: Waiting, state: 'acknowledged' | 'refused'): void {
    record.state = state
    record.settled.resolve()
  }
}

function isId(id: unknown): boolean {
  return typeof id === 'string' && id !== '' && id.length <= ID_CHARACTERS_MAX && !NOT_IN_IDS.test(id)
}
