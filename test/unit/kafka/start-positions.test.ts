import { expect, test } from 'vitest'
import { InputTopics } from '../../../src/intake/input-topics.ts'
import type { GroupMember } from '../../../src/kafka/kafkajs/group-internals.ts'
import { pinStartPositions } from '../../../src/kafka/start-positions.ts'

/** Of a group that has committed nothing; brokers without ids. */
const member = {
  groupId: 'g',
  partitionsPerSubscribedTopic: new Map([['kc.a', [0]]]),
  coordinator: { offsetFetch: async () => ({ responses: [] }) },
  cluster: { brokerPool: { findConnectedBroker: async () => ({ versions: {} }) } },
  assigned: () => [{ topic: 'kc.a', partitions: [0] }],
} as unknown as GroupMember

test('while Redis cannot tell whether a topic has appeared or was there before, nobody begins in it', async () => {
  const inputs = new InputTopics(
    { names: [], patterns: ['kc.*'], excluded: [] },
    { names: async () => ['kc.a'] },
  )
  const rules = {
    inputs,
    epoch: undefined,
    remembered: [],
    startFrom: 'latest' as const,
    keep: async () => undefined,
  }
  await expect(pinStartPositions(member, { ...rules, recall: async () => undefined })).rejects.toMatchObject({
    code: 'LR_REGISTRY_LOST',
    message: expect.stringContaining('kc.a'),
  })
})
