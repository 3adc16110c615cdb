import { expect, test } from 'vitest'
import { Rebuild, type RebuildOptions } from '../../../src/recovery/rebuild.ts'
import { manualClock } from '../manual-clock.ts'

test('a rebuild that is stopped during its last triggers leaves no epoch: nobody would run them again', async () => {
  const stopped = new AbortController()
  const confirmed: string[] = []
  const partition = { topic: 't', partition: 0 }
  const record = { ...partition, offset: 0, timestampMs: 0, key: null, value: null, headers: {} }
  const options = {
    clock: manualClock(),
    defaultIssuer: 'https://i.example',
    groupId: 'g',
    horizonMs: 1_000,
    inputTopics: ['t'],
    outcomeTopic: 't',
    isServedIssuer: () => true,
    onProgress: () => undefined,
    epoch: {
      read: async () => undefined,
      lock: async () => true,
      renew: async () => true,
      unlock: async () => undefined,
      confirm: async (owner: string) => {
        confirmed.push(owner)
        return 'epoch'
      },
    },
    reader: {
      bounds: async () => [{ ...partition, from: 0, to: 1 }],
      offsetsAt: async () => [{ ...partition, offset: 0 }],
      committed: async () => [{ ...partition, offset: 1 }],
      hasMembers: async () => false,
      read: async (ranges, take) => {
        if (ranges.some(({ from, to }) => from < to))
          await take({ ...partition, records: [record], fetchedOffset: 0, nextOffset: 1, endOffset: 1 })
      },
    },
    registry: {} as RebuildOptions['registry'],
    // As intake does: what is stopped takes nothing more, and says nothing.
    runAgain: async () => stopped.abort(),
  } satisfies RebuildOptions
  await expect(new Rebuild(options).ensure(stopped.signal)).rejects.toMatchObject({ code: 'LR_STOPPED' })
  expect(confirmed).toEqual([])
})
