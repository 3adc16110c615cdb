import { expect, test } from 'vitest'
import type { WireRecord } from '../../../src/events/wire-record.ts'
import { Rebuild, type RebuildOptions } from '../../../src/recovery/rebuild.ts'
import type { RegistryStep } from '../../../src/registry/registry.ts'
import { manualClock } from '../manual-clock.ts'

const partition = { topic: 't', partition: 0 }
const clock = manualClock()

/** A log of one record, and a store without an epoch; tells who confirmed one. */
function optionsFor(record: WireRecord, confirmed: string[] = []) {
  return {
    clock,
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
    runAgain: async () => undefined,
    againSettled: async () => undefined,
    sessionLifetimeMs: 60_000,
  } satisfies RebuildOptions
}

test('a rebuild that is stopped during its last triggers leaves no epoch: nobody would run them again', async () => {
  const stopped = new AbortController()
  const confirmed: string[] = []
  const record = { ...partition, offset: 0, timestampMs: clock.now(), key: null, value: null, headers: {} }
  // As intake does: what is stopped takes nothing more, and says nothing.
  const options = { ...optionsFor(record, confirmed), runAgain: async () => stopped.abort() }
  await expect(new Rebuild(options).ensure(stopped.signal)).rejects.toMatchObject({ code: 'LR_STOPPED' })
  expect(confirmed).toEqual([])
})

test('two replicas that start at once built it twice: one had finished between the look of the other and its lock', async () => {
  const confirmed: string[] = []
  const record = { ...partition, offset: 0, timestampMs: clock.now(), key: null, value: null, headers: {} }
  const options = optionsFor(record, confirmed)
  const events: string[] = []
  let epoch: string | undefined
  Object.assign(options.epoch, {
    read: async () => epoch,
    lock: async () => {
      epoch = 'of the other'
      return true
    },
    unlock: async () => void events.push('unlocked'),
  })
  const runAgain = async () => void events.push('ran again')
  const built = await new Rebuild({ ...options, runAgain }).ensure(new AbortController().signal)
  expect(built).toBe('of the other')
  expect(confirmed).toEqual([])
  expect(events).toEqual(['unlocked'])
})

test.each([
  ['within its lifetime is made again', 59_000, 1],
  ['that had run out before Redis was lost does not come back with a new lifetime', 61_000, 0],
])('a registration %s', async (_, ageMs, expected) => {
  const value = {
    type: 'backchannel-logout-registered',
    sessionId: 's',
    oidcSessionId: 'o',
    clientId: 'c',
    userId: 'u',
    backchannelLogoutUri: 'https://rp.example/logout',
  }
  const record = {
    ...partition,
    offset: 0,
    timestampMs: clock.now() - ageMs,
    key: null,
    value: Buffer.from(JSON.stringify(value)),
    headers: {},
  }
  const made: RegistryStep[] = []
  const registry = {
    apply: async (steps: readonly RegistryStep[]) => {
      made.push(...steps)
      return []
    },
  } as unknown as RebuildOptions['registry']
  const options = { ...optionsFor(record), registry }
  await new Rebuild(options).ensure(new AbortController().signal)
  expect(made).toHaveLength(expected)
})

test('killed right after a rebuild, the triggers that were run again are not lost: the epoch waits for them', async () => {
  const record = { ...partition, offset: 0, timestampMs: clock.now(), key: null, value: null, headers: {} }
  const confirmed: string[] = []
  let settle = (): void => undefined
  const isSettling = Promise.withResolvers<void>()
  const againSettled = () => {
    isSettling.resolve()
    return new Promise<void>((resolve) => {
      settle = resolve
    })
  }
  const ensured = new Rebuild({ ...optionsFor(record, confirmed), againSettled }).ensure(
    new AbortController().signal,
  )
  await isSettling.promise
  expect(confirmed).toEqual([])
  settle()
  expect(await ensured).toBe('epoch')
})
