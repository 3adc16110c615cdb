import type { KafkaMessage } from 'kafkajs'
import { headerText, type WireHeaders, type WireRecord } from '../events/wire-record.ts'
import type { RecordBatch } from '../intake/record-source.ts'
import { DecodedRecord } from './kafkajs/record-decoding.ts'
import { UnreadableRecords } from './kafkajs/unreadable-records.ts'

/** Wraps a kafkajs message without kafkajs' types: offsets and times as numbers, content read on demand. */
export function wireRecord(
  { topic, partition, fetchedOffset }: FetchedPart,
  message: KafkaMessage,
): WireRecord {
  const offset = Number(message.offset)
  // It stands for a whole batch, which may begin before the fetched offset.
  return message instanceof UnreadableRecords
    ? new KafkaRecord(topic, partition, Math.max(message.firstOffset, fetchedOffset), message)
    : new KafkaRecord(topic, partition, offset, message)
}

type FetchedPart = Pick<RecordBatch, 'topic' | 'partition' | 'fetchedOffset'>

class KafkaRecord implements WireRecord {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly #message: KafkaMessage

  constructor(topic: string, partition: number, offset: number, message: KafkaMessage) {
    this.topic = topic
    this.partition = partition
    this.offset = offset
    this.#message = message
  }

  header(name: string): string | undefined {
    const message = this.#message
    return message instanceof DecodedRecord
      ? message.headerText(name) || undefined
      : headerText(this.headers, name)
  }

  get unreadable(): string | undefined {
    const message: unknown = this.#message
    return message instanceof DecodedRecord || message instanceof UnreadableRecords
      ? message.problem
      : undefined
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
