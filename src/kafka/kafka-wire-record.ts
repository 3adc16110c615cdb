import type { KafkaMessage } from 'kafkajs'
import type { WireRecord } from '../events/wire-record.ts'

/** A kafkajs message without kafkajs' types: offsets and times as numbers. */
export function wireRecord(
  topic: string,
  partition: number,
  { offset, timestamp, key, value, headers }: KafkaMessage,
): WireRecord {
  return {
    topic,
    partition,
    offset: Number(offset),
    timestampMs: Number(timestamp),
    key,
    value,
    headers: headers ?? {},
  }
}
