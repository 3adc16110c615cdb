import { createRequire } from 'node:module'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeRecord } from '../../../src/kafka/record-decoding.ts'

// kafkajs' own, as they are before the replacements take their places.
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
  context: Context,
) => Record<(typeof names)[number], unknown>

type Context = Parameters<typeof decodeRecord>[1]
const names = [
  'magicByte',
  'attributes',
  'timestamp',
  'offset',
  'key',
  'value',
  'headers',
  'isControlRecord',
  'batchContext',
] as const

const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array))
const field = fc.oneof(fc.string({ unit: 'grapheme' }), bytes)
// What every object has by these names kafkajs takes for a header that came before.
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
const context: fc.Arbitrary<Context> = fc.record({
  firstOffset: fc.nat().map(String),
  firstTimestamp: fc.nat(2 ** 40).map(String),
  maxTimestamp: fc.nat(2 ** 40).map(String),
  magicByte: fc.constant(2),
  isControlBatch: fc.boolean(),
  timestampType: fc.constantFrom(0, 1),
})

describe('record decoding', () => {
  test('reads what kafkajs reads, whatever is asked for first', () => {
    const property = fc.property(fields, context, fc.shuffledSubarray([...names]), (record, batch, order) => {
      const body = new Decoder(encode(record).buffer).readVarIntBytes()
      const expected = original(new Decoder(body), batch)
      const decoded = decodeRecord(new Decoder(body), batch)
      const type = expected.headers as Record<string, Buffer | Buffer[] | null | undefined>
      const first = [type.ce_type].flat()[0]
      expect(decoded.headerText('ce_type')).toBe(first?.toString('utf8'))
      for (const it of order) expect(decoded[it]).toEqual(expected[it])
      expect(decoded.headerText('ce_type')).toBe(first?.toString('utf8'))
    })
    fc.assert(property, { numRuns: 100 })
  })

  test('a header named after what every object has is a header: its dead letter stopped the partition', () => {
    const headers = JSON.parse('{"constructor":"a","toString":["b","c"],"__proto__":"d"}') as object
    const record = { offsetDelta: 0, timestampDelta: 0, key: null, value: null, headers }
    const body = new Decoder(encode(record).buffer).readVarIntBytes()
    const batch = { ...fc.sample(context, 1)[0], isControlBatch: false } as Context
    const decoded = Object.entries(decodeRecord(new Decoder(body), batch).headers)
    expect(decoded.map(([header, content]) => [header, String(content)])).toEqual([
      ['constructor', 'a'],
      ['toString', 'b,c'],
      ['__proto__', 'd'],
    ])
  })
})
