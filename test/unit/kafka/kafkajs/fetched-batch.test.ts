import { createRequire } from 'node:module'
import { describe, expect, test } from 'vitest'
import { withoutAborted } from '../../../../src/kafka/kafkajs/fetched-batch.ts'
import '../../../../src/kafka/kafkajs/kafkajs.ts'
import { recordSetDecoding } from '../../../../src/kafka/kafkajs/record-set.ts'

const require = createRequire(import.meta.url)
const Decoder = require('kafkajs/src/protocol/decoder') as new (
  buffer: Buffer,
) => {
  buffer: Buffer
  offset: number
}
const Batch = require('kafkajs/src/consumer/batch') as new (
  topic: string,
  fetchedOffset: string,
  partition: object,
) => { messages: object[]; lastOffset(): string; isEmptyDueToFiltering(): boolean }

/** A batch whose records were all removed by compaction, which keeps the last batch of each producer. */
function emptyBatch(firstOffset: number, lastOffset: number): Buffer {
  const batch = Buffer.alloc(61)
  batch.writeBigInt64BE(BigInt(firstOffset), 0)
  batch.writeInt32BE(batch.length - 12, 8)
  batch.writeInt8(2, 16)
  batch.writeInt32BE(lastOffset - firstOffset, 23)
  return batch
}

async function fetched(fetchedOffset: number, ...batches: Buffer[]) {
  const bytes = Buffer.concat(batches)
  const size = Buffer.alloc(4)
  size.writeInt32BE(bytes.length)
  const decode = recordSetDecoding(async () => [])
  const messages = await decode(new Decoder(Buffer.concat([size, bytes])))
  return new Batch('t', String(fetchedOffset), { partition: 0, highWatermark: '100', messages })
}

describe('a fetched part of a partition', () => {
  test('ends where its last batch ends, though no record is left in it', async () => {
    const batch = await fetched(7, emptyBatch(5, 9), emptyBatch(10, 19))
    expect(batch.isEmptyDueToFiltering()).toBe(true)
    expect(batch.lastOffset()).toBe('19')
  })

  test('ends before a batch that did not come whole', async () => {
    const batch = await fetched(7, emptyBatch(5, 9), emptyBatch(10, 19).subarray(0, 40))
    expect(batch.lastOffset()).toBe('9')
  })

  test('is empty when nothing came', async () => {
    expect((await fetched(7)).isEmptyDueToFiltering()).toBe(false)
    expect((await fetched(7, emptyBatch(7, 9).subarray(0, 50))).isEmptyDueToFiltering()).toBe(false)
  })
})

describe('of the records of a fetch', () => {
  const record = (offset: number, producerId: string, key: Buffer | null = null) => ({
    offset: String(offset),
    isControlRecord: false,
    key,
    batchContext: { producerId, inTransaction: true },
  })
  const marker = (offset: number, producerId: string) => ({
    ...record(offset, producerId, Buffer.alloc(4)),
    isControlRecord: true,
  })
  const left = (
    messages: ReturnType<typeof record>[],
    ...aborted: [producerId: string, firstOffset: number][]
  ) =>
    withoutAborted({
      messages,
      abortedTransactions: aborted.map(([producerId, firstOffset]) => ({
        producerId,
        firstOffset: String(firstOffset),
      })),
    })
      .filter(({ isControlRecord }) => !isControlRecord)
      .map(({ offset }) => Number(offset))

  test('none of a transaction that was aborted is left, whatever its key', () => {
    const messages = [record(1, 'a', Buffer.alloc(4)), record(2, 'a'), record(3, 'b'), marker(4, 'a')]
    expect(left([...messages, record(5, 'a')], ['a', 1])).toEqual([3, 5])
  })

  test('none is left of two that began before what was fetched', () => {
    expect(left([record(12, 'b'), record(13, 'a'), marker(14, 'a')], ['a', 10], ['b', 11])).toEqual([])
  })

  test('those of the next transaction of the same producer are left', () => {
    expect(left([record(1, 'a'), marker(2, 'a'), record(3, 'a'), marker(4, 'a')], ['a', 1])).toEqual([3])
  })
})
