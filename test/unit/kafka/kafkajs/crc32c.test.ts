import { createRequire } from 'node:module'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { crc32c } from '../../../../src/kafka/kafkajs/crc32c.ts'

const original = createRequire(import.meta.url)('kafkajs/src/protocol/recordBatch/crc32C/crc32C.js') as (
  data: Buffer,
) => number

it('gives the check value of the specification', () => {
  expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283)
})

it('gives what kafkajs gives, for any bytes of any length', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      const data = Buffer.from(bytes)
      expect(crc32c(data)).toBe(original(data) >>> 0)
    }),
  )
})
