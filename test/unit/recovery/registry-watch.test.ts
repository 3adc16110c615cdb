import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { RegistryWatch } from '../../../src/recovery/registry-watch.ts'
import { EpochGuard } from '../../../src/registry/epoch-guard.ts'
import type { AppliedPosition } from '../../../src/registry/epoch-store.ts'
import { MemoryEpochStore } from '../../support/memory-epoch-store.ts'

/* How a replica watches the store for a few seconds. */

const position: AppliedPosition = { topic: 't', partition: 0, offset: 7, start: 0, topicId: '' }

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

async function site() {
  const epoch = new MemoryEpochStore(Date.now)
  const guard = new EpochGuard(epoch)
  const stopped = new AbortController()
  /** Per completion, whether the store was distrusted before. */
  const completed: boolean[] = []
  /** Per completion, the positions that the store held before. */
  const shown: (readonly AppliedPosition[])[] = []
  const applied: AppliedPosition[] = [position]
  let isDistrusted = false
  let losses = 0
  let proved = 0
  const watch = new RegistryWatch({
    epoch,
    guard,
    applied: () => applied,
    clock: { now: Date.now },
    onError: () => undefined,
    onLost: () => losses++,
    onProved: () => proved++,
    rebuild: {
      distrust: () => {
        isDistrusted = true
      },
      distrustSince: () => {
        isDistrusted = true
      },
      ensure: async () => {
        completed.push(isDistrusted)
        shown.push(await epoch.positions())
        isDistrusted = false
        await epoch.lock('owner', 60_000)
        return epoch.confirm('owner', Date.now(), epoch.runId)
      },
    },
  })
  await watch.start(stopped.signal)
  return {
    applied,
    completed,
    epoch,
    guard,
    losses: () => losses,
    proved: () => proved,
    shown,
    watch,
    pass: (ms: number) => vi.advanceTimersByTimeAsync(ms),
    async [Symbol.asyncDispose]() {
      stopped.abort()
      await watch.stopped()
    },
  }
}

test('a store that stays as it is gets heartbeats and positions, and is completed once', async () => {
  await using it = await site()
  await it.pass(5_000)
  expect(await it.epoch.positions()).toEqual([position])
  expect(it.epoch.copy().heartbeatMs).toBeGreaterThan(Date.now() - 2_000)
  expect([it.completed, it.losses(), it.proved()]).toEqual([[false], 0, 1])
})

test('a topic that was created anew and has reached the offset of the one before is written as the new one', async () => {
  await using it = await site()
  await it.pass(2_000)
  const anew = { ...position, start: 1, topicId: 'anew' }
  it.applied.splice(0, 1, anew)
  await it.pass(2_000)
  expect(await it.epoch.positions()).toEqual([anew])
})

test('a store that shows its epoch but has gone back in time is completed, and not believed', async () => {
  await using it = await site()
  await it.pass(2_000)
  const old = it.epoch.copy()
  await it.pass(5_000)
  it.epoch.failOver(old, it.epoch.runId)
  // Taken since the last heartbeat, and missing in the store too.
  it.applied.splice(0, 1, { ...position, offset: 9 })
  await it.pass(2_000)
  expect(it.shown).toEqual([[], [position]])
  expect([it.completed, it.losses()]).toEqual([[false, true], 1])
  expect(it.guard.isIntact).toBe(true)
})

test('another server is completed, and nothing is written to it before', async () => {
  await using it = await site()
  await it.pass(2_000)
  const before = it.epoch.copy()
  it.applied.splice(0, 1, { ...position, offset: 9 })
  it.epoch.failOver(before, 'run-2')
  await it.watch.writePositions()
  expect(await it.epoch.positions()).toEqual([position])
  await it.pass(600)
  expect([it.completed.length, it.losses()]).toEqual([2, 1])
})

test('what was written to the store before goes to the next one too', async () => {
  await using it = await site()
  await it.pass(2_000)
  it.epoch.lose()
  await it.pass(3_000)
  expect(await it.epoch.positions()).toEqual([position])
  expect([it.completed, it.losses()]).toEqual([[false, true], 1])
})

test('a store out of reach is not a lost one', async () => {
  await using it = await site()
  const read = vi.spyOn(it.epoch, 'read').mockRejectedValue(new Error('away'))
  await it.pass(3_000)
  expect(read).toHaveBeenCalled()
  expect([it.completed, it.losses()]).toEqual([[false], 0])
})

test('a position that an operator has set is kept at once, and never in a store that is not proved', async () => {
  await using it = await site()
  const set = { ...position, offset: 3 }
  await it.watch.keepPositions([set])
  expect(await it.epoch.positions()).toEqual([set])
  it.epoch.failOver(it.epoch.copy(), 'run-2')
  await expect(it.watch.keepPositions([position])).rejects.toMatchObject({ code: 'LR_REGISTRY_LOST' })
  expect(await it.epoch.positions()).toEqual([set])
})

test('a store that lacks what another replica has done with another one is completed, and nothing counts until then', async () => {
  await using it = await site()
  it.watch.distrust()
  expect(it.guard.isIntact).toBe(false)
  await it.pass(600)
  expect([it.completed, it.losses(), it.proved()]).toEqual([[false, true], 1, 2])
})
