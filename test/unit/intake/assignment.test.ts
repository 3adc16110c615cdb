import { expect, test } from 'vitest'
import { Assignment } from '../../../src/intake/assignment.ts'
import type { TopicPartition } from '../../../src/kafka/record-source.ts'

test('a partition that was full when its consumer was replaced is not fetched by the new one', async () => {
  const paused: TopicPartition[] = []
  const assignment = new Assignment({
    source: { pause: (it) => void paused.push(it), resume: () => undefined, commit: async () => undefined },
    work: () => new Promise(() => undefined),
    commitIntervalMs: 60_000,
    onCommitFailed: () => undefined,
    onOutcomeSkipped: () => undefined,
  })
  const partition = { topic: 't', partition: 0 }
  assignment.onAssigned([{ ...partition, position: 0 }])
  const count = 10_000
  const records = Array.from({ length: count }, (_, offset) => ({
    ...partition,
    offset,
    timestampMs: 0,
    key: null,
    value: Buffer.from('{}'),
    headers: {},
  }))
  assignment.onBatch({ ...partition, records, fetchedOffset: 0, nextOffset: count, endOffset: count })
  expect(paused).toHaveLength(1)
  assignment.onAssigned([{ ...partition, position: 0 }])
  expect(paused).toHaveLength(2)
})
