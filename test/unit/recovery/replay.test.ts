import { expect, test } from 'vitest'
import { OutageBudget } from '../../../src/recovery/outage-budget.ts'
import { Replay, type ReplayOptions } from '../../../src/recovery/replay.ts'
import { MemoryLog } from '../../support/memory-log.ts'
import { manualClock } from '../manual-clock.ts'

const TOPIC = 'input'
const range = { kind: 'time', fromMs: 0 } as const

/** Partitions of five and three triggers. The group has committed two of the first, and all of the second. */
function site() {
  const log = new MemoryLog({ [TOPIC]: 2 })
  for (const partition of [0, 0, 0, 0, 0, 1, 1, 1]) {
    const value = { type: 'session-terminated', sessionId: 's' }
    log.append({ topic: TOPIC, partition, value, timestampMs: 1 })
  }
  log.commit({ topic: TOPIC, partition: 0 }, 2)
  log.commit({ topic: TOPIC, partition: 1 }, 3)
  const ran: string[] = []
  const replay = new Replay({
    clock: manualClock(),
    groupId: 'g',
    inputTopics: [TOPIC],
    outcomeTopic: TOPIC,
    outageBudget: new OutageBudget(),
    reader: log,
    triggers: {
      take: async (records: readonly { partition: number; offset: number }[]) => {
        for (const { partition, offset } of records) ran.push(`${partition}/${offset}`)
      },
    },
  } as unknown as ReplayOptions)
  return { log, ran, replay }
}

test('what a running group has not committed is left to it: it is about to be delivered there', async () => {
  const { log, ran, replay } = site()
  log.isServed = true
  await replay.run({ range, failed: false, discarded: false })
  expect(ran.toSorted()).toEqual(['0/0', '0/1', '1/0', '1/1', '1/2'])
  expect(replay.recordsLeft).toBe(3)
})

test('without a running group all of the range is run, committed or not', async () => {
  const { ran, replay } = site()
  await replay.run({ range, failed: false, discarded: false })
  expect(ran).toHaveLength(8)
  expect(replay.recordsLeft).toBe(0)
})

test('what comes in while it runs is not run', async () => {
  const { log, ran, replay } = site()
  log.events.once('batch', () => {
    log.append({ topic: TOPIC, partition: 1, value: { type: 'session-terminated' }, timestampMs: 2 })
  })
  await replay.run({ range, failed: false, discarded: false })
  expect(ran).toHaveLength(8)
})
