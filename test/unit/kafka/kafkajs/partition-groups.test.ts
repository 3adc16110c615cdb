import { createRequire } from 'node:module'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { groupByPartition } from '../../../../src/kafka/kafkajs/partition-groups.ts'

type Group = typeof groupByPartition
const original = createRequire(import.meta.url)('kafkajs/src/producer/groupMessagesPerPartition.js') as Group

interface Message {
  readonly value: number
  readonly partition?: number
}

/** As kafkajs' own partitioners do: a named partition wins. */
const partitioner = ({ message }: { message: Message }) => message.partition ?? message.value % 3

it('a message without a partition is not lost, and everything is grouped as by kafkajs', () => {
  const message = fc.record({ value: fc.nat(100), partition: fc.nat(2) }, { requiredKeys: ['value'] })
  fc.assert(
    fc.property(fc.array(message), (messages) => {
      const grouping = { topic: 't', partitionMetadata: [{}, {}, {}], messages, partitioner }
      expect(groupByPartition<Message>(grouping)).toEqual(original<Message>(grouping))
    }),
  )
})
