import { describe, expect, test } from 'vitest'
import type { PartitionFacts, TopicLayout } from '../../../src/diagnosis/kafka-facts.ts'
import { judgeMessageSize } from '../../../src/diagnosis/topic-message-size.ts'
import { judgeReplication } from '../../../src/diagnosis/topic-replication.ts'

const partition = (overrides: Partial<PartitionFacts> = {}): PartitionFacts => ({
  partition: 0,
  leader: 1,
  replicas: [1, 2, 3],
  inSync: [1, 2, 3],
  ...overrides,
})
const layout = (minInSync: number, ...partitions: Partial<PartitionFacts>[]): TopicLayout => ({
  limits: { value: { minInSync, messageBytesMax: 1 } },
  partitions: partitions.map((overrides, i) => partition({ partition: i, ...overrides })),
})

describe('replication', () => {
  test.each([
    { name: 'three replicas of which two must be in sync', is: 'ok', of: layout(2, {}, {}) },
    {
      name: 'two replicas of which one must be',
      is: 'ok',
      of: layout(1, { replicas: [1, 2], inSync: [1, 2] }),
    },
    {
      name: 'a partition without a leader',
      is: 'problem',
      of: layout(2, {}, { leader: -1 }),
      says: /partition\(s\) 1 .* without a leader/,
    },
    {
      name: 'fewer in sync than must be',
      is: 'problem',
      of: layout(2, {}, { inSync: [1] }),
      says: /take no writes/,
    },
    {
      name: 'more must be in sync than there are, and all there are',
      is: 'warning',
      of: layout(2, { replicas: [1], inSync: [1] }),
      says: /older than Kafka 3\.7 take no writes/,
    },
    {
      name: 'more must be in sync than there are, and not even those are',
      is: 'problem',
      of: layout(3, { replicas: [1, 2], inSync: [1] }),
      says: /take no writes, so outcomes wait/,
    },
    {
      name: 'a replica that is behind',
      is: 'warning',
      of: layout(2, {}, { inSync: [1, 3] }),
      says: /replicas of partition\(s\) 1 are behind/,
    },
    {
      name: 'all must be in sync',
      is: 'warning',
      of: layout(3, {}),
      says: /a single broker that is away stops all writes/,
    },
    {
      name: 'one replica',
      is: 'warning',
      of: layout(1, { replicas: [1], inSync: [1] }),
      says: /the records are lost/,
    },
  ])('$name: $is', ({ is, of, says = /t: / }) => {
    const { status, found, mend } = judgeReplication('t', of, 3)
    expect(status).toBe(is)
    expect(found).toMatch(says)
    expect(mend === undefined).toBe(is === 'ok')
  })

  test('one replica on the only broker there is, is a hint', () => {
    expect(judgeReplication('t', layout(1, { replicas: [1], inSync: [1] }), 1).status).toBe('hint')
  })

  test('without the right to read min.insync.replicas the rest is judged', () => {
    const unread = { ...layout(1, {}, { inSync: [1] }), limits: { unread: 'denied' } }
    expect(judgeReplication('t', unread, 3)).toMatchObject({
      status: 'warning',
      found: expect.stringContaining('min.insync.replicas unknown'),
    })
  })
})

describe('the size of dead letters', () => {
  test.each([
    { max: 16_777_216, input: 1_048_588, is: 'ok' },
    { max: 1_048_588, input: undefined, is: 'ok' },
    { max: 1_048_588, input: 1_048_588, is: 'hint' },
    { max: 999_999, input: 1_048_588, is: 'problem' },
  ])('$max bytes, where input may have $input: $is', ({ max, input, is }) => {
    const { status, mend } = judgeMessageSize('t.dead-letter', max, input)
    expect(status).toBe(is)
    if (is !== 'ok') expect(mend).toBe('set max.message.bytes of t.dead-letter to 16777216')
  })

  test('the advice is larger than what the input takes', () => {
    expect(judgeMessageSize('t', 1, 50_000_000).mend).toContain('50004096')
  })
})
