import fc from 'fast-check'
import kafkajs, { type PartitionMetadata } from 'kafkajs'
import { describe, expect, test } from 'vitest'
import { partitionOfKey } from '../../../src/kafka/key-partition.ts'

describe('partition of a key', () => {
  test('is the one that Kafka’s own clients choose', () => {
    const choose = kafkajs.Partitioners.DefaultPartitioner()
    const key = fc.oneof(
      fc.string({ unit: 'grapheme' }),
      fc.uint8Array({ maxLength: 70 }).map((array) => Buffer.from(array)),
    )
    fc.assert(
      fc.property(key, fc.integer({ min: 1, max: 100 }), (text, count) => {
        const partitionMetadata = Array.from({ length: count }, (_, partitionId) => ({
          partitionId,
          leader: 1,
        }))
        const expected = choose({
          topic: 't',
          partitionMetadata: partitionMetadata as PartitionMetadata[],
          message: { key: text, value: null },
        })
        expect(partitionOfKey(text, count)).toBe(expected)
      }),
      { numRuns: 500 },
    )
  })
})
