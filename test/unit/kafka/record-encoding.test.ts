import { createRequire } from 'node:module'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { encodeRecord } from '../../../src/kafka/record-encoding.ts'

// kafkajs' own encoder, as it is before `installRecordEncoding` takes its place.
const original = createRequire(import.meta.url)(
  'kafkajs/src/protocol/recordBatch/record/v0',
) as typeof encodeRecord

const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array))
const field = fc.oneof(fc.string({ unit: 'grapheme' }), bytes)

describe('record encoding', () => {
  test('gives the bytes that kafkajs gives', () => {
    const record = fc.record({
      offsetDelta: fc.nat(100_000),
      timestampDelta: fc.integer({ min: 0, max: 2 ** 31 - 1 }),
      key: fc.option(field),
      value: fc.option(field),
      headers: fc.dictionary(
        fc.string({ unit: 'grapheme', minLength: 1 }),
        fc.oneof(field, fc.array(field, { maxLength: 3 })),
      ),
    })
    fc.assert(
      fc.property(record, (fields) => {
        expect(encodeRecord(fields).buffer.toString('hex')).toBe(original(fields).buffer.toString('hex'))
      }),
      { numRuns: 300 },
    )
  })
})
