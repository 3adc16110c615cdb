import { createRequire } from 'node:module'
import type { KafkaMessage } from 'kafkajs'
import '../../../src/kafka/kafkajs/kafkajs.ts'
import { Decoders } from '../../../src/events/decoding/decode-record.ts'
import { headerText } from '../../../src/events/wire-record.ts'
import { readMetadata } from '../../../src/kafka/position-metadata.ts'
import type { FuzzTarget } from '../fuzz-target.ts'
import { texts } from '../mutations.ts'

type Records = (KafkaMessage & { headerText?(name: string): string | undefined })[]

const require = createRequire(import.meta.url)
// With the relay's own parts in their places.
const Decoder = require('kafkajs/src/protocol/decoder') as new (buffer: Buffer) => object
const decodeMessages = require('kafkajs/src/protocol/requests/fetch/v4/decodeMessages') as (
  decoder: object,
) => Promise<Records>
const record = require('kafkajs/src/protocol/recordBatch/record/v0') as (fields: object) => object
const { RecordBatch } = require('kafkajs/src/protocol/recordBatch/v0') as {
  RecordBatch: (fields: object) => Promise<{ buffer: Buffer }>
}

/** Batches, as a producer makes them and a broker hands them on. */
async function fetched(compression: number, transactional = false): Promise<Buffer> {
  const headers = { ce_specversion: '1.0', ce_type: 'session-terminated', ce_id: 't-1', more: ['1', '2'] }
  const records = [
    record({ offsetDelta: 0, timestampDelta: 0, key: 's-1', value: '{"sessionId":"s-1"}', headers }),
    record({ offsetDelta: 1, timestampDelta: 7, key: null, value: '{"sessionId":"s-2"}', headers: {} }),
    record({ offsetDelta: 2, timestampDelta: 9, key: 's-3', value: null, headers: {} }),
  ]
  const { buffer } = await RecordBatch({ compression, transactional, lastOffsetDelta: 2, records })
  return Buffer.concat([buffer, buffer])
}

function withLength(batches: Buffer): Buffer {
  const length = Buffer.alloc(4)
  length.writeInt32BE(batches.length)
  return Buffer.concat([length, batches])
}

async function decoded(input: Buffer): Promise<unknown> {
  const found = await decodeMessages(new Decoder(input))
  return found.map((message) => {
    const { key, value, headers = {} } = message
    const position = { topic: 'session-events', partition: 0, offset: Number(message.offset) }
    const wire = { ...position, timestampMs: Number(message.timestamp), key, value, headers }
    // The short way to it, which is not the way of the rest.
    const type = message.headerText?.('ce_type')
    const other = headerText(headers, 'ce_type')
    if (type !== undefined && other !== undefined && type !== other)
      throw new Error('two types of one record')
    const result = new Decoders((name = 'https://op.example') => name).decode(wire, 0)
    const kind = 'kind' in result ? result.kind : 'several'
    return { kind, type, offset: wire.offset, timestampMs: wire.timestampMs, keyBytes: key?.length }
  })
}

export const kafkaTargets: readonly FuzzTarget[] = [
  {
    name: 'kafka-batches',
    samples: [await fetched(0), await fetched(0, true), await fetched(1)],
    // What stands around them is the broker's own.
    parse: (input) => decoded(withLength(input)),
    // A batch of many empty records, each of which is told of.
    growth: 256,
  },
  {
    name: 'position-metadata',
    samples: texts(
      '{"start":12,"topicId":"AAAAAAAAAAAAAAAAAAAAAA","recordMs":1700000000000}',
      '{}',
      '{"start":0}',
    ),
    parse: (input) => {
      const { start = 0, recordMs = 0, topicId, ...others } = readMetadata(input.toString())
      if (![start, recordMs].every((n) => Number.isSafeInteger(n) && n >= 0)) throw new Error('no position')
      if (Object.keys(others).length > 0) throw new Error('more than is known')
      return topicId
    },
  },
]
