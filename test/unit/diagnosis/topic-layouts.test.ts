import { describe, expect, test } from 'vitest'
import type { PartitionFacts, TopicLayout } from '../../../src/diagnosis/facts.ts'
import { checkMessageSize, checkReplication } from '../../../src/diagnosis/topic-layouts.ts'

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
      is: 'error',
      of: layout(2, {}, { leader: -1 }),
      says: /partition 1 .* leader/,
    },
    {
      name: 'fewer in sync than must be',
      is: 'error',
      of: layout(2, {}, { inSync: [1] }),
      says: /no writes/,
    },
    {
      name: 'more must be in sync than there are, and all there are',
      is: 'warning',
      of: layout(2, { replicas: [1], inSync: [1] }),
      says: /Kafka 3\.7 .* no writes/,
    },
    {
      name: 'more must be in sync than there are, and not even those are',
      is: 'error',
      of: layout(3, { replicas: [1, 2], inSync: [1] }),
      says: /no writes, so outcomes wait/,
    },
    {
      name: 'a replica that is behind',
      is: 'warning',
      of: layout(2, {}, { inSync: [1, 3] }),
      says: /replicas of partition 1 are behind/,
    },
    {
      name: 'all must be in sync',
      is: 'warning',
      of: layout(3, {}),
      says: /one broker that is down stops all writes/,
    },
    {
      name: 'one replica',
      is: 'warning',
      of: layout(1, { replicas: [1], inSync: [1] }),
      says: /the records are lost/,
    },
  ])('$name: $is', ({ is, of, says = /t: / }) => {
    const { severity, text, remedy } = checkReplication('t', of, 3)
    expect(severity).toBe(is)
    expect(text).toMatch(says)
    expect(remedy === undefined).toBe(is === 'ok')
  })

  test('one replica on the only broker there is, is a hint', () => {
    expect(checkReplication('t', layout(1, { replicas: [1], inSync: [1] }), 1).severity).toBe('hint')
  })

  test('without the right to read min.insync.replicas the rest is checked', () => {
    const unread = { ...layout(1, {}, { inSync: [1] }), limits: { unread: 'denied' } }
    expect(checkReplication('t', unread, 3)).toMatchObject({
      severity: 'warning',
      text: expect.stringContaining('min.insync.replicas unknown'),
    })
  })
})

describe('the size of dead letters', () => {
  test.each([
    { max: 16_777_216, input: 1_048_588, is: 'ok' },
    { max: 1_048_588, input: undefined, is: 'ok' },
    { max: 1_048_588, input: 1_048_588, is: 'hint' },
    { max: 999_999, input: 1_048_588, is: 'error' },
  ])('$max bytes, where input may have $input: $is', ({ max, input, is }) => {
    const { severity, remedy } = checkMessageSize('t.dead-letter', max, input)
    expect(severity).toBe(is)
    if (is !== 'ok') expect(remedy).toBe('set max.message.bytes of t.dead-letter to 16777216')
  })

  test('the advice is larger than what the input takes', () => {
    expect(checkMessageSize('t', 1, 50_000_000).remedy).toContain('50004096')
  })
})
