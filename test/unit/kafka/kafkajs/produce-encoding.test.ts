import { createRequire } from 'node:module'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { encodeRequest, leanProduceRequest } from '../../../../src/kafka/kafkajs/produce-encoding.ts'

// kafkajs' originals, without the replacements.
const require = createRequire(import.meta.url)
const original = require('kafkajs/src/protocol/requests/produce/v3/request') as ReturnType<
  typeof leanProduceRequest
>
const originalRequest = require('kafkajs/src/protocol/request') as typeof encodeRequest
const lean = leanProduceRequest(original)

const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array))
const field = fc.oneof(fc.string({ unit: 'grapheme' }), bytes)
const message = fc.record({
  key: fc.option(field),
  value: fc.option(field),
  headers: fc.dictionary(
    fc.string({ unit: 'grapheme', minLength: 1 }),
    fc.oneof(field, fc.array(field, { maxLength: 3 })),
  ),
})
const partition = fc.record({
  partition: fc.nat(10_000),
  messages: fc.array(message, { minLength: 1, maxLength: 80 }),
})
const options = fc.record({
  acks: fc.constantFrom(-1, 1),
  timeout: fc.nat(100_000),
  topicData: fc.array(
    fc.record({
      topic: fc.string({ unit: 'grapheme', minLength: 1 }),
      partitions: fc.array(partition, { minLength: 1, maxLength: 3 }),
    }),
    { minLength: 1, maxLength: 3 },
  ),
})

const hex = async (request: Parameters<typeof encodeRequest>[0]['request'], encode: typeof encodeRequest) =>
  (await encode({ correlationId: 7, clientId: 'clïent', request })).buffer.toString('hex')
const asRequest = (request: unknown) => request as Parameters<typeof encodeRequest>[0]['request']

describe('produce encoding', () => {
  // The batch contains its encoding time.
  beforeAll(() => void vi.useFakeTimers({ toFake: ['Date'], now: new Date('2026-02-03T04:05:06.789Z') }))
  afterAll(() => void vi.useRealTimers())

  test('gives the bytes that kafkajs gives', async () => {
    const property = fc.asyncProperty(options, async (fields) => {
      expect(await hex(asRequest(lean(fields)), encodeRequest)).toBe(
        await hex(asRequest(original(fields)), originalRequest),
      )
    })
    await fc.assert(property, { numRuns: 40 })
  })

  test('is understood by kafkajs’ own request encoder, should that have been loaded first', async () => {
    const topicData = [{ topic: 't', partitions: [{ partition: 0, messages: [{ key: 'k', value: 'v' }] }] }]
    const fields = { acks: -1, timeout: 1, topicData }
    expect(await hex(asRequest(lean(fields)), originalRequest)).toBe(
      await hex(asRequest(original(fields)), originalRequest),
    )
  })

  test.each([
    ['a compression', { compression: 1 }],
    ['a transaction', { transactionalId: 'tx' }],
    ['a producer id', { producerId: 4_711 }],
  ])('leaves a request with %s to kafkajs', async (_, special) => {
    const topicData = [{ topic: 't', partitions: [{ partition: 0, messages: [{ key: 'k', value: 'v' }] }] }]
    const fields = { acks: -1, timeout: 1, topicData, ...special }
    expect(await hex(asRequest(lean(fields)), encodeRequest)).toBe(
      await hex(asRequest(original(fields)), originalRequest),
    )
  })

  test('leaves records with times of their own to kafkajs', async () => {
    const messages = [{ value: 'a', timestamp: '1700000000000' }, { value: 'b' }]
    const fields = {
      acks: -1,
      timeout: 1,
      topicData: [{ topic: 't', partitions: [{ partition: 0, messages }] }],
    }
    expect(await hex(asRequest(lean(fields)), encodeRequest)).toBe(
      await hex(asRequest(original(fields)), originalRequest),
    )
  })
})
