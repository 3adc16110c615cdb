import type { KafkaMessage } from 'kafkajs'
import type { WireHeaders, WireRecord } from '../events/wire-record.ts'
import { DecodedRecord } from './record-decoding.ts'

/** A kafkajs message without kafkajs' types: offsets and times as numbers, the content read when it is asked for. */
export function wireRecord(topic: string, partition: number, message: KafkaMessage): WireRecord {
  return new KafkaRecord(topic, partition, message)
}

class KafkaRecord implements WireRecord {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly #message: KafkaMessage

  constructor(topic: string, partition: number, message: KafkaMessage) {
    this.topic = topic
    this.partition = partition
    this.offset = Number(message.offset)
    this.#message = message
  }

  get type(): string | undefined {
    return this.#message instanceof DecodedRecord ? this.#message.headerText('ce_type') : undefined
  }

  get timestampMs(): number {
    return Number(this.#message.timestamp)
  }

  get key(): Buffer | null {
    return this.#message.key
  }

  get value(): Buffer | null {
    return this.#message.value
  }

  get headers(): WireHeaders {
    return this.#message.headers ?? {}
  }
}
