import { createRequire } from 'node:module'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  type BatchContext,
  DecodedRecord,
  HEADERS_MAX,
} from '../../../../src/kafka/kafkajs/record-decoding.ts'

// kafkajs' originals, without the replacements.
const require = createRequire(import.meta.url)
const encode = require('kafkajs/src/protocol/recordBatch/record/v0') as (fields: object) => { buffer: Buffer }
const Decoder = require('kafkajs/src/protocol/decoder') as new (
  buffer: Buffer,
) => {
  readVarIntBytes(): Buffer
  readonly buffer: Buffer
  offset: number
}
const original = require('kafkajs/src/protocol/recordBatch/record/v0/decoder') as (
  decoder: InstanceType<typeof Decoder>,
  context: object,
) => Record<(typeof names)[number], unknown>

const names = ['attributes', 'timestamp', 'offset', 'key', 'value', 'headers', 'isControlRecord'] as const

const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array))
const field = fc.oneof(fc.string({ unit: 'grapheme' }), bytes)
// kafkajs takes a property that every object has for an earlier header.
const isPlainName = (text: string): boolean => !(text in {})
const name = fc.oneof(
  fc.constant('ce_type'),
  fc.string({ unit: 'grapheme', minLength: 1 }).filter(isPlainName),
)
const fields = fc.record({
  offsetDelta: fc.nat(100_000),
  timestampDelta: fc.nat(2 ** 31 - 1),
  key: fc.option(field),
  value: fc.option(field),
  headers: fc.dictionary(name, fc.oneof(field, fc.array(field, { minLength: 1, maxLength: 3 }))),
})
const context: fc.Arbitrary<BatchContext> = fc.record({
  firstOffset: fc.nat(),
  firstTimestamp: fc.nat(2 ** 40),
  maxTimestamp: fc.nat(2 ** 40),
  isControlBatch: fc.boolean(),
  isStampedByBroker: fc.boolean(),
  inTransaction: fc.constant(false),
  producerId: fc.constant('-1'),
})

/** As kafkajs hands it to its decoder. */
function kafkajsContext({ firstOffset, firstTimestamp, maxTimestamp, ...batch }: BatchContext) {
  return {
    isControlBatch: batch.isControlBatch,
    timestampType: batch.isStampedByBroker ? 1 : 0,
    firstOffset: String(firstOffset),
    firstTimestamp: String(firstTimestamp),
    maxTimestamp: String(maxTimestamp),
  }
}

/** Decodes a record between other bytes, as in a batch. */
function decoded(body: Buffer, batch: BatchContext): DecodedRecord {
  const around = Buffer.alloc(3, 0x7f)
  return new DecodedRecord(Buffer.concat([around, body, around]), 3, 3 + body.length, batch)
}

function bodyOf(record: object): Buffer {
  return new Decoder(
    encode({ offsetDelta: 0, timestampDelta: 0, key: null, value: null, ...record }).buffer,
  ).readVarIntBytes()
}

const [anyBatch] = fc.sample(context, 1) as [BatchContext]

describe('record decoding', () => {
  test('reads what kafkajs reads, whatever is asked for first', () => {
    const property = fc.property(fields, context, fc.shuffledSubarray([...names]), (record, batch, order) => {
      const body = bodyOf(record)
      const expected = original(new Decoder(body), kafkajsContext(batch))
      const read = decoded(body, batch)
      const type = expected.headers as Record<string, Buffer | Buffer[] | null | undefined>
      const first = [type.ce_type].flat()[0]
      expect(read.headerText('ce_type')).toBe(first?.toString('utf8'))
      expect(read.problem).toBeUndefined()
      for (const it of order) expect(read[it]).toEqual(expected[it])
      expect(read.headerText('ce_type')).toBe(first?.toString('utf8'))
    })
    fc.assert(property, { numRuns: 100 })
  })

  test('a header named after what every object has is a header: its dead letter stopped the partition', () => {
    const headers = JSON.parse('{"constructor":"a","toString":["b","c"],"__proto__":"d"}') as object
    const read = Object.entries(decoded(bodyOf({ headers }), anyBatch).headers)
    expect(read.map(([header, content]) => [header, String(content)])).toEqual([
      ['constructor', 'a'],
      ['toString', 'b,c'],
      ['__proto__', 'd'],
    ])
  })

  test('one header name that is repeated as often as may be costs no more than as many names', () => {
    const repeated = decoded(
      bodyOf({ headers: { h: Array.from({ length: HEADERS_MAX }, String) } }),
      anyBatch,
    )
    expect(repeated.problem).toBeUndefined()
    expect(repeated.headers.h).toHaveLength(HEADERS_MAX)
  })

  test('a record with more headers than anybody sends is told, and none of them is read', () => {
    const { problem, headers, offset } = decoded(
      bodyOf({ headers: { h: Array.from({ length: 40_000 }, String), ce_type: 'x' } }),
      anyBatch,
    )
    expect(problem).toContain('headers: has 40001')
    expect(headers).toEqual({})
    expect(offset).toBe(String(anyBatch.firstOffset))
  })

  test('whatever its bytes are, reading a record neither throws nor goes beyond its end', () => {
    const secret = 'of the next record'
    const property = fc.property(fc.uint8Array({ maxLength: 80 }), fields, fc.nat(), (noise, record, cut) => {
      const good = bodyOf(record)
      // The attributes, and two short numbers.
      const start = Buffer.from([0, 0, 0])
      for (const body of [Buffer.concat([start, noise]), good.subarray(0, 9 + (cut % good.length))]) {
        const bytes = Buffer.concat([body, Buffer.from(secret.repeat(20))])
        const read = new DecodedRecord(bytes, 0, body.length, anyBatch)
        const seen = [read.key, read.value, read.headers, read.headerText('ce_type'), read.problem]
        expect(JSON.stringify(seen.map(String))).not.toContain(secret)
        expect(String(read.value)).not.toContain(secret)
      }
    })
    fc.assert(property, { numRuns: 200 })
  })
})
