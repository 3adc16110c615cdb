import { setImmediate } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { outcomeRecord } from '../../../src/delivery/outcome-record.ts'
import { Decoders } from '../../../src/events/decoding/decode-record.ts'
import type { Outcome } from '../../../src/events/outcome.ts'
import type { Registration } from '../../../src/events/registration.ts'
import { writeRegistration } from '../../../src/events/registration.ts'
import type { TriggerOrigin } from '../../../src/events/trigger.ts'
import { InputTopics } from '../../../src/intake/input-topics.ts'
import { Pipeline } from '../../../src/intake/pipeline.ts'
import type { RecordBatch } from '../../../src/intake/record-source.ts'
import type { PartitionStart } from '../../../src/intake/start-plan.ts'
import type { DisbelievedOutcomes } from '../../../src/recovery/believed-outcomes.ts'
import { Rebuild } from '../../../src/recovery/rebuild.ts'
import { StoreFromLog } from '../../../src/recovery/store-from-log.ts'
import { MemoryEpochStore } from '../../support/memory-epoch-store.ts'
import { MemoryLog } from '../../support/memory-log.ts'
import { MemoryRegistry } from '../../support/memory-registry.ts'
import { namedTopics } from '../../support/named-topics.ts'
import { manualClock } from '../manual-clock.ts'
import { ISSUER, sampleEnding, sampleOrigin, sampleRegistration } from '../sample-registration.ts'
import { servedIssuer } from '../served-issuer.ts'

/* A rebuild from a log of several partitions that changes while it is read. */

const INPUT = 'input'
const OUTCOMES = 'outcomes'
const HOUR = 3_600_000
const sent: Outcome = { kind: 'sent', jti: 'j', attempts: 1, status: 200 }

interface SiteOptions {
  readonly startFrom?: 'latest' | 'earliest'
  readonly patterns?: readonly string[]
  /** The number of partitions of each topic. */
  readonly topics?: Readonly<Record<string, number>>
}

function site({ patterns, startFrom = 'latest', topics = { [INPUT]: 3, [OUTCOMES]: 3 } }: SiteOptions = {}) {
  const clock = manualClock()
  const log = new MemoryLog(topics)
  const inputs = () =>
    patterns === undefined
      ? namedTopics(INPUT)
      : new InputTopics({ names: [], patterns, excluded: [OUTCOMES] }, log)
  const registry = new MemoryRegistry()
  const epoch = new MemoryEpochStore(() => clock.nowMs)
  /** Offsets of the triggers that were run again, by partition. */
  const ranAgain: string[] = []
  /** The deadlines of their deliveries. */
  const deadlines = new Map<string, number | undefined>()
  /** Runs while they are parked. */
  const again = { parked: async (): Promise<void> => undefined }
  const disbelieved: DisbelievedOutcomes[] = []
  const origins = { partition: 0 }
  const forgotten: PartitionStart[] = []
  const lacked: PartitionStart[] = []
  const own: { topic: string; partition: number; next: number }[] = []
  const pipeline = new Pipeline(new Decoders((name = ISSUER) => name), servedIssuer())
  const store = new StoreFromLog({
    clock,
    registry,
    pipeline,
    recovery: registry,
    sessionLifetimeMs: 10 * HOUR,
    tombstoneMs: HOUR / 4,
    runAgain: async (triggers) => {
      for (const { ending } of triggers) {
        const name = `${ending.origin.partition}/${ending.origin.offset}`
        ranAgain.push(name)
        deadlines.set(name, ending.deadlineMs)
      }
      await again.parked()
    },
  })
  const relay = () =>
    new Rebuild({
      clock,
      epoch,
      startFrom,
      store,
      formats: pipeline.decoders,
      groupId: 'g',
      inputs: inputs(),
      onForgotten: (starts) => forgotten.push(...starts),
      onDisbelieved: (it) => disbelieved.push(it),
      onLacked: (starts) => lacked.push(...starts),
      onProgress: () => undefined,
      outcomeTopic: OUTCOMES,
      own: () => own,
      reader: log,
    })
  const rebuild = relay()
  const timestampMs = clock.nowMs - 1_000
  return {
    again,
    clock,
    deadlines,
    disbelieved,
    epoch,
    forgotten,
    log,
    own,
    ranAgain,
    rebuild,
    registry,
    relay,
    lacked,
    isServed: (isServed: boolean) => {
      log.isServed = isServed
    },
    ensure: () => rebuild.ensure(new AbortController().signal),
    register: (registration: Registration, partition: number) => {
      origins.partition = partition
      return log.append({
        ...{ topic: INPUT, partition, timestampMs },
        value: { type: 'backchannel-logout-registered', ...JSON.parse(writeRegistration(registration)) },
      })
    },
    terminate: (sessionId: string, partition: number) =>
      log.append({
        ...{ topic: INPUT, partition, timestampMs },
        value: { type: 'session-terminated', sessionId },
      }),
    settleBy: (registration: Registration, origin: TriggerOrigin) => {
      const cause = { origin, occurredAtMs: timestampMs, everywhere: false }
      log.appendOutgoing(outcomeRecord(OUTCOMES, sent, registration, cause), 0, clock.nowMs)
    },
    /** The topic took no more than the beginnings of its ids. */
    settleCut: (registration: Registration, origin: TriggerOrigin) => {
      const cause = { origin, occurredAtMs: timestampMs, everywhere: false }
      const cut = outcomeRecord(OUTCOMES, sent, registration, cause).shorter?.()?.shorter?.()
      if (cut !== undefined) log.appendOutgoing(cut, 0, clock.nowMs)
    },
    settle: (registration: Registration, partition: number) => {
      // The origin must exist, or the outcome is not believed.
      const origin = sampleOrigin({ topic: INPUT, partition: origins.partition, offset: 0 })
      const cause = { origin, occurredAtMs: timestampMs, everywhere: false }
      log.appendOutgoing(outcomeRecord(OUTCOMES, sent, registration, cause), partition, clock.nowMs)
    },
    /** Those of the registrations that the registry holds. */
    async held(registrations: readonly Registration[]): Promise<string[]> {
      const found = await registry.find(registrations)
      return registrations.filter((_, i) => found[i] !== undefined).map(({ oidcSessionId }) => oidcSessionId)
    },
  }
}

const registrations = Array.from({ length: 9 }, (_, i) =>
  sampleRegistration({ sessionId: `s${i % 4}`, oidcSessionId: `o${i}`, registeredAtMs: 1_799_999_000_000 }),
)
async function proveEmpty(epoch: MemoryEpochStore): Promise<void> {
  await epoch.lock('before', 1)
  await epoch.confirm('before', 0, epoch.runId)
  await epoch.unlock('before')
}
const at = (i: number) => registrations[i] as Registration

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
})
afterEach(() => {
  vi.useRealTimers()
})

test('it holds the registrations of all partitions less their outcomes, wherever these stand', async () => {
  const { ensure, epoch, held, register, settle } = site()
  registrations.forEach((it, i) => void register(it, i % 3))
  settle(at(0), 0)
  settle(at(4), 2)
  settle(at(8), 1)
  expect((await ensure())?.id).toBe(epoch.id)
  expect(await held(registrations)).toEqual(['o1', 'o2', 'o3', 'o5', 'o6', 'o7'])
})

test('what ends while the registrations are read is not owed when it has been built', async () => {
  const { ensure, held, log, register, settle } = site()
  registrations.forEach((it, i) => void register(it, i % 3))
  log.events.once('batch', () => settle(at(5), 0))
  await ensure()
  expect(await held(registrations)).not.toContain('o5')
  expect(await held(registrations)).toHaveLength(8)
})

test('what has ended behind another producer’s open transaction is not owed, and stays so', async () => {
  const { ensure, held, log, register, settle } = site()
  registrations.forEach((it, i) => void register(it, i % 3))
  settle(at(0), 0)
  log.hide({ topic: OUTCOMES, partition: 0 }, 1)
  settle(at(3), 0)
  log.hide({ topic: OUTCOMES, partition: 2 }, 0)
  settle(at(5), 2)
  await ensure()
  expect(await held(registrations)).toEqual(['o1', 'o2', 'o4', 'o6', 'o7', 'o8'])
})

test('triggers past the committed offset are run again: replicas resolved them against the empty store', async () => {
  const { ensure, log, ranAgain, terminate } = site()
  for (let i = 0; i < 5; i++) terminate('s', 0)
  for (let i = 0; i < 3; i++) terminate('s', 1)
  log.commit({ topic: INPUT, partition: 0 }, 2)
  log.commit({ topic: INPUT, partition: 1 }, 3)
  await ensure()
  expect(ranAgain.toSorted()).toEqual(['0/0', '0/1', '0/2', '0/3', '0/4', '1/0', '1/1', '1/2'])
})

test('by hand, with an intact store, what the group has not committed is left to it', async () => {
  const { epoch, log, ranAgain, rebuild, terminate } = site()
  await proveEmpty(epoch)
  for (let i = 0; i < 5; i++) terminate('s', 0)
  log.commit({ topic: INPUT, partition: 0 }, 2)
  await rebuild.repeat(async () => undefined, new AbortController().signal)
  expect(ranAgain).toEqual(['0/0', '0/1'])
})

test('the lock is kept however long it takes: a second replica would build it at the same time', async () => {
  const { clock, ensure, epoch, log, register } = site()
  registrations.forEach((it, i) => void register(it, i % 3))
  const others: Promise<boolean>[] = []
  log.events.on('batch', () => {
    clock.nowMs += 2_000
    vi.advanceTimersByTime(2_000)
    others.push(epoch.lock('another', 30_000))
  })
  expect((await ensure())?.id).toBe(epoch.id)
  expect(await Promise.all(others)).toEqual(others.map(() => false))
  expect(others.length).toBeGreaterThan(5)
})

test('nothing more is done when the lock is lost: somebody else builds it from then on', async () => {
  const { ensure, epoch, log, register } = site()
  registrations.forEach((it, i) => void register(it, i % 3))
  let batches = 0
  log.events.on('batch', () => {
    if (++batches > 1) return
    epoch.lose()
    void epoch.lock('another', 60_000)
    vi.advanceTimersByTime(30_000)
  })
  await expect(ensure()).rejects.toThrow()
  expect(batches).toBeLessThan(3)
})

test('a replica that was suspended until its lock had expired writes nothing more, though it has not heard of that', async () => {
  const { clock, ensure, epoch, held, log, register } = site()
  registrations.forEach((it, i) => void register(it, i % 3))
  log.events.once('batch', () => {
    clock.nowMs += 5_000
    void epoch.lock('another', 60_000)
  })
  await expect(ensure()).rejects.toMatchObject({ code: 'LR_STOPPED' })
  expect(await held(registrations)).toEqual([])
  expect(epoch.id).toBeUndefined()
})

test('it ends without an epoch when the lock is lost: the store has forgotten what was written', async () => {
  const { ensure, epoch, log, register } = site()
  registrations.forEach((it, i) => void register(it, i % 3))
  let batches = 0
  log.events.on('batch', (_batch: RecordBatch) => {
    if (++batches === 3) epoch.lose()
  })
  await expect(ensure()).rejects.toMatchObject({ code: 'LR_UNAVAILABLE' })
  expect(epoch.id).toBeUndefined()
})

test('a server that has fallen behind gets what it lacks, from the positions that it holds, and no more', async () => {
  const { clock, ensure, epoch, held, log, own, register, registry, settle } = site()
  registrations.slice(0, 6).forEach((it, i) => void register(it, i % 3))
  await ensure()
  for (const partition of [0, 1, 2]) own.push({ topic: INPUT, partition, next: 2 })
  await epoch.writePositions(
    [0, 1, 2].map((partition) => ({ topic: INPUT, partition, offset: 2, start: 2, topicId: '' })),
    epoch.runId,
  )
  await epoch.heartbeat(clock.nowMs)
  const copy = epoch.copy()
  registrations.slice(6).forEach((it, i) => void register(it, i % 3))
  await registry.apply(
    registrations
      .slice(6)
      .map((registration) => ({ kind: 'register', registration, origin: sampleOrigin() })),
  )
  settle(at(0), 0)
  epoch.failOver(copy, 'run-2')
  // The copy contains neither.
  await registry.settle(registrations.slice(6))
  log.asked.length = 0
  const proof = await ensure()
  expect(proof).toMatchObject({ id: epoch.id, runId: 'run-2' })
  expect(
    log.asked.filter(({ topic }) => topic === INPUT).every(({ from, to }) => from === 2 || to - from === 1),
  ).toBe(true)
  expect(await held(registrations)).toEqual(['o1', 'o2', 'o3', 'o4', 'o5', 'o6', 'o7', 'o8'])
})

test('a replica that went on with the old server applies to the new one what it took in there, when another has proved it', async () => {
  const { ensure, epoch, held, log, own, register, relay, settle } = site()
  await ensure()
  const copy = epoch.copy()
  epoch.failOver(copy, 'run-2')
  const other = relay()
  expect(await other.ensure(new AbortController().signal)).toMatchObject({ runId: 'run-2' })
  const proved = epoch.id
  for (let i = 0; i < 4; i++) register(at(i), 1)
  settle(at(1), 0)
  own.push({ topic: INPUT, partition: 1, next: 3 })
  log.asked.length = 0
  expect(await ensure()).toEqual({ id: proved, runId: 'run-2' })
  expect(log.asked).toContainEqual(expect.objectContaining({ topic: INPUT, partition: 1, from: 0, to: 3 }))
  expect(await held(registrations)).toEqual(['o0', 'o2'])
  log.asked.length = 0
  expect(await ensure()).toEqual({ id: proved, runId: 'run-2' })
  expect(log.asked).toEqual([])
})

test('a store that went back in time and shows the same epoch is completed all the same', async () => {
  const { ensure, epoch, log, rebuild, register } = site()
  const before = await ensure()
  register(at(0), 0)
  rebuild.distrust()
  const after = await ensure()
  expect(after?.id).not.toBe(before?.id)
  expect(after?.id).toBe(epoch.id)
  expect(log.asked).toContainEqual(expect.objectContaining({ topic: INPUT, partition: 0, to: 1 }))
})

test('a rebuild of which a part was written to one server and a part to the next leaves no epoch', async () => {
  const { ensure, epoch, log, register } = site()
  registrations.forEach((it, i) => void register(it, i % 3))
  const copy = epoch.copy()
  log.events.once('batch', () => epoch.failOver(copy, 'run-2'))
  await expect(ensure()).rejects.toMatchObject({ code: 'LR_REGISTRY_LOST' })
  expect((await epoch.read())?.isOfThisRun ?? false).toBe(false)
})

test('nobody takes a server for proved that came in during a rebuild, though the lock came along to it', async () => {
  const { ensure, epoch, held, log, register, registry, relay } = site()
  registrations.forEach((it, i) => void register(it, i % 3))
  let batches = 0
  log.events.on('batch', () => {
    if (++batches !== 2) return
    epoch.failOver(epoch.copy(), 'run-2')
    // The copy has the lock but no registration yet.
    void registry.settle(registrations)
  })
  await expect(ensure()).rejects.toMatchObject({
    code: expect.stringMatching(/LR_UNAVAILABLE|LR_REGISTRY_LOST/),
  })
  expect((await epoch.read())?.isOfThisRun ?? false).toBe(false)
  // The start of the group is noted, but nothing is applied.
  expect((await epoch.positions()).map(({ offset }) => offset)).toEqual([0, 0, 0])
  await relay().ensure(new AbortController().signal)
  expect(await held(registrations)).toHaveLength(registrations.length)
})

test('an outcome that was published right before the last heartbeat counts: its registration may stand there yet', async () => {
  const { clock, ensure, epoch, held, register, settle } = site()
  register(at(0), 0)
  await ensure()
  settle(at(0), 1)
  clock.nowMs += 10_000
  await epoch.heartbeat(clock.nowMs)
  epoch.failOver(epoch.copy(), 'run-2')
  await ensure()
  expect(await held([at(0)])).toEqual([])
})

test('what a store lacks whose builder did not follow the topic is applied by the first replica that does', async () => {
  const { ensure, epoch, held, log, ranAgain, register, settle, terminate } = site()
  registrations.forEach((it, i) => void register(it, i % 3))
  settle(at(4), 0)
  terminate('s1', 2)
  for (const [partition, offset] of [3, 3, 4].entries())
    log.commit({ topic: INPUT, partition }, offset, { start: 0, topicId: '' })
  await proveEmpty(epoch)
  await ensure()
  expect(await held(registrations)).toEqual(['o0', 'o1', 'o2', 'o3', 'o5', 'o6', 'o7', 'o8'])
  expect(ranAgain).toEqual(['2/3'])
  expect((await epoch.positions()).map(({ offset }) => offset)).toEqual([3, 3, 4])
})

test('what the group’s members may be delivering is left to them, though the store does not know their topic yet', async () => {
  const { ensure, epoch, held, isServed, log, ranAgain, register, terminate } = site()
  register(at(0), 0)
  terminate('s0', 0)
  register(at(1), 0)
  terminate('s1', 0)
  for (const [partition, offset] of [2, 0, 0].entries())
    log.commit({ topic: INPUT, partition }, offset, { start: 0, topicId: '' })
  await proveEmpty(epoch)
  isServed(true)
  await ensure()
  expect(ranAgain).toEqual(['0/1'])
  expect(await held(registrations)).toEqual(['o0'])
})

test('a first start that another replica notes and does not live to finish is finished, though the store was built without it', async () => {
  const { ensure, epoch, held, isServed, log, register } = site()
  register(at(0), 0)
  register(at(1), 0)
  for (const [partition, start] of [2, 0, 0].entries())
    log.commit({ topic: INPUT, partition }, 0, { start, topicId: '' })
  await proveEmpty(epoch)
  isServed(true)
  await ensure()
  expect(await held(registrations)).toEqual(['o0', 'o1'])
})

test('of a topic that the group has never read, what was settled long ago does not come back to life', async () => {
  const { clock, ensure, epoch, held, register, settle } = site()
  await proveEmpty(epoch)
  register(at(0), 0)
  register(at(1), 0)
  settle(at(0), 1)
  clock.nowMs += HOUR
  await epoch.heartbeat(clock.nowMs)
  epoch.failOver(epoch.copy(), 'run-2')
  await ensure()
  expect(await held(registrations)).toEqual(['o1'])
})

test('what the group has not taken in yet is its members’: the store does not count it as applied', async () => {
  const { ensure, epoch, log, register } = site()
  registrations.forEach((it) => void register(it, 0))
  log.commit({ topic: INPUT, partition: 0 }, 2, { start: 0 })
  await ensure()
  expect(await epoch.positions()).toContainEqual(expect.objectContaining({ partition: 0, offset: 2 }))
})

test('positions beside which no epoch stands are of a store that is gone', async () => {
  const { ensure, epoch, log, register } = site()
  for (let i = 0; i < 3; i++) register(at(i), 0)
  await epoch.writePositions([{ topic: INPUT, partition: 0, offset: 1, start: 1, topicId: '' }], epoch.runId)
  await ensure()
  expect((await log.committed('g', [INPUT]))[0]).toMatchObject({ offset: 3, start: 3 })
})

test('there is no epoch before what was run again is settled', async () => {
  const { again, ensure, epoch, log, terminate } = site()
  terminate('s', 0)
  log.commit({ topic: INPUT, partition: 0 }, 1)
  const ids: (string | undefined)[] = []
  again.parked = async () => {
    await setImmediate()
    ids.push(epoch.id)
  }
  await ensure()
  expect(ids).toEqual([undefined])
})

test('a rebuild that is stopped during its last triggers leaves no epoch: nobody would run them again', async () => {
  const { again, epoch, log, rebuild, terminate } = site()
  terminate('s', 0)
  log.commit({ topic: INPUT, partition: 0 }, 1)
  const stopped = new AbortController()
  again.parked = async () => stopped.abort()
  await expect(rebuild.ensure(stopped.signal)).rejects.toThrow()
  expect(epoch.id).toBeUndefined()
})

test('at a first start the group begins at the noted ends, and what is written meanwhile comes after them', async () => {
  const { ensure, epoch, held, log, ranAgain, register, terminate } = site()
  registrations.slice(0, 6).forEach((it, i) => void register(it, i % 3))
  terminate('s1', 2)
  log.events.once('batch', () => {
    register(at(6), 0)
    register(at(7), 1)
  })
  await ensure()
  const ends = [2, 2, 3]
  expect(await log.committed('g', [INPUT])).toMatchObject(ends.map((offset) => ({ offset, start: offset })))
  expect(await epoch.positions()).toMatchObject(ends.map((offset) => ({ offset, start: offset })))
  // The session of an earlier trigger is over, without an outcome.
  expect(ranAgain).toEqual([])
  expect(await held(registrations)).toEqual(['o0', 'o2', 'o3', 'o4'])
})

/** A first start is interrupted while it reads, and users log in and out before the next one. */
const interruptions: [string, (it: ReturnType<typeof site>) => Promise<unknown>][] = [
  ['the same process tries again', (it) => it.ensure()],
  ['another process starts', (it) => it.relay().ensure(new AbortController().signal)],
  [
    'Redis is emptied',
    (it) => {
      it.epoch.lose()
      return it.ensure()
    },
  ],
  [
    'the store was in use, and the topic is new to the group',
    async (it) => {
      await proveEmpty(it.epoch)
      return it.relay().ensure(new AbortController().signal)
    },
  ],
  [
    'the group has members, and Redis is emptied',
    (it) => {
      it.log.forget()
      it.epoch.lose()
      return it.ensure()
    },
  ],
]

test.each(interruptions)(
  'what begins and ends during a first start that is interrupted is told later: %s',
  async (_, again) => {
    const it = site()
    it.register(at(0), 0)
    it.register(at(1), 1)
    it.terminate(at(1).sessionId, 1)
    const read = vi.spyOn(it.log, 'read').mockImplementationOnce(async () => {
      throw new Error('interrupted')
    })
    await expect(it.ensure()).rejects.toThrow('interrupted')
    it.register(at(2), 2)
    it.terminate(at(2).sessionId, 2)
    await again(it)
    expect(read.mock.calls.length).toBeGreaterThan(1)
    const ends = [1, 2, 0]
    expect(await it.epoch.positions()).toMatchObject(ends.map((offset) => ({ offset, start: offset })))
    expect(await it.log.committed('g', [INPUT])).toMatchObject(
      ends.map((offset) => ({ offset, start: offset })),
    )
    // Earlier endings are over.
    expect(it.ranAgain.filter((trigger) => trigger !== '2/1')).toEqual([])
    expect(await it.held([at(0), at(1)])).toEqual(['o0'])
    expect(it.forgotten).toEqual([])
  },
)

test('a second replica that starts at the same time takes the first one’s ends', async () => {
  const { log, register, relay, terminate } = site()
  const signal = new AbortController().signal
  register(at(0), 0)
  log.events.once('batch', () => terminate('s0', 0))
  await Promise.all([relay().ensure(signal), relay().ensure(signal)])
  expect(await log.committed('g', [INPUT])).toMatchObject([
    { offset: 1, start: 1 },
    { offset: 0 },
    { offset: 0 },
  ])
})

test('a trigger from before the first start is neither sent nor failed when the store is lost later', async () => {
  const { ensure, epoch, held, log, ranAgain, register, terminate } = site()
  register(at(0), 0)
  terminate('s0', 0)
  await ensure()
  register(at(1), 0)
  terminate('s1', 0)
  log.commit({ topic: INPUT, partition: 0 }, 4, { start: 2 })
  epoch.lose()
  await ensure()
  expect(ranAgain).toEqual(['0/3'])
  expect(await held([at(0)])).toEqual([])
})

test('a login that is read behind a trigger from before the first start finds that its session has ended', async () => {
  const { ensure, register, registry, terminate } = site()
  register(at(1), 0)
  const { offset } = terminate('s0', 1)
  await ensure()
  const [late, other] = await registry.apply(
    [at(0), at(1)].map((registration) => ({ kind: 'register', registration, origin: sampleOrigin() })),
  )
  expect(late).toMatchObject({ endedBy: { origin: { topic: INPUT, partition: 1, offset } } })
  expect(other).toEqual({ kind: 'registered', isRepeated: true })
})

test('a trigger that is older than the deadline and has no outcome is run again with its own deadline, others are not', async () => {
  const { clock, deadlines, ensure, epoch, log, ranAgain, register, settle, terminate } = site()
  register(at(0), 0)
  register(at(1), 0)
  terminate('s0', 0)
  terminate('s1', 0)
  settle(at(0), 1)
  log.commit({ topic: INPUT, partition: 0 }, 4, { start: 0 })
  const writtenAtMs = clock.nowMs - 1_000
  clock.nowMs += 2 * HOUR
  epoch.lose()
  await ensure()
  expect(ranAgain).toEqual(['0/3'])
  expect(deadlines.get('0/3')).toBe(writtenAtMs + HOUR)
})

test('the time of a trigger that nobody has taken in yet has not begun, however old it is', async () => {
  const { clock, deadlines, ensure, log, register, terminate } = site()
  register(at(0), 0)
  terminate('s0', 0)
  log.commit({ topic: INPUT, partition: 0 }, 1, { start: 0 })
  clock.nowMs += 2 * HOUR
  await ensure()
  expect(deadlines.get('0/1')).toBe(clock.nowMs + HOUR)
})

test('from the earliest, the triggers of a topic that is new are left to the group’s members', async () => {
  const { ensure, held, ranAgain, register, terminate } = site({ startFrom: 'earliest' })
  register(at(0), 0)
  terminate('s0', 0)
  await ensure()
  expect(ranAgain).toEqual([])
  expect(await held([at(0)])).toEqual(['o0'])
})

test('a registration whose life is over is not made again', async () => {
  const { clock, ensure, held, register } = site()
  register(at(0), 0)
  clock.nowMs += 11 * HOUR
  await ensure()
  expect(await held([at(0)])).toEqual([])
})

test('positions that neither the group nor the store knows are told, where the store was in use; at a first start they are not', async () => {
  const fresh = site()
  await fresh.ensure()
  expect(fresh.forgotten).toEqual([])
  const used = site()
  await proveEmpty(used.epoch)
  used.register(at(0), 1)
  await used.ensure()
  expect(used.forgotten).toMatchObject([{ partition: 0 }, { partition: 1, offset: 1 }, { partition: 2 }])
})

test('a store that is behind what its group has settled is completed when no relay is there: they went on with another server', async () => {
  const { ensure, epoch, held, isServed, log, register, relay, settle } = site()
  register(at(0), 0)
  register(at(1), 0)
  await ensure()
  const proved = epoch.id
  register(at(2), 0)
  settle(at(0), 1)
  log.commit({ topic: INPUT, partition: 0 }, 3, { start: 2 })
  isServed(true)
  await relay().ensure(new AbortController().signal)
  expect(epoch.id).toBe(proved)
  isServed(false)
  await relay().ensure(new AbortController().signal)
  expect(epoch.id).not.toBe(proved)
  expect(await held(registrations)).toEqual(['o1', 'o2'])
})

test('what a replica settled while it stayed with the old primary for a minute does not come back to life', async () => {
  const { clock, ensure, epoch, held, own, register, relay, settle, terminate } = site()
  register(at(0), 0)
  await ensure()
  epoch.failOver(epoch.copy(), 'run-2')
  await relay().ensure(new AbortController().signal)
  // The new primary does not receive this, although the heartbeat goes on.
  register(at(1), 0)
  terminate(at(1).sessionId, 0)
  settle(at(1), 1)
  own.push({ topic: INPUT, partition: 0, next: 3 })
  clock.nowMs += 60_000
  await epoch.heartbeat(clock.nowMs)
  await ensure()
  expect(await held([at(0), at(1)])).toEqual(['o0'])
})

test('a store with another proof than the one with which its group settled is completed when no relay is there', async () => {
  const { clock, ensure, epoch, held, isServed, log, register, relay, settle } = site()
  register(at(0), 0)
  register(at(1), 0)
  await ensure()
  const proved = epoch.id
  // What was parked before has been settled with another server. No record has come, and the address has gone back.
  settle(at(0), 1)
  log.commit({ topic: INPUT, partition: 0 }, 2, { start: 2, epoch: 'another' })
  clock.nowMs += 60_000
  await epoch.heartbeat(clock.nowMs)
  isServed(false)
  await relay().ensure(new AbortController().signal)
  expect(epoch.id).not.toBe(proved)
  expect(await held(registrations)).toEqual(['o1'])
})

test('a store that was proved before another replica went on elsewhere gets the outcomes since, not only the last ones', async () => {
  const { clock, ensure, epoch, held, rebuild, register, settle } = site()
  register(at(0), 0)
  register(at(1), 0)
  await ensure()
  settle(at(0), 1)
  clock.nowMs += 60_000
  await epoch.heartbeat(clock.nowMs)
  rebuild.distrustSince()
  await ensure()
  expect(await held(registrations)).toEqual(['o1'])
})

test('a login that the store has lost, and whose session it remembers as ended, is owed: nobody reads its logout again', async () => {
  const { ensure, epoch, log, ranAgain, register, registry, terminate } = site()
  await ensure()
  terminate('s0', 1)
  const origin = sampleOrigin({ topic: INPUT, partition: 1, offset: 0 })
  await registry.apply([
    { kind: 'end-session', issuer: ISSUER, sessionId: 's0', ending: sampleEnding({ origin }) },
  ])
  await epoch.writePositions([{ topic: INPUT, partition: 1, offset: 1, start: 0, topicId: '' }], epoch.runId)
  // Read and parked, and neither is in the copy.
  register(at(0), 0)
  log.commit({ topic: INPUT, partition: 0 }, 1, { start: 0 })
  log.commit({ topic: INPUT, partition: 1 }, 1, { start: 0 })
  epoch.failOver(epoch.copy(), 'run-2')
  await ensure()
  expect(ranAgain).toEqual(['1/0'])
})

test('an outcome whose ids were cut settles the one registration of its trigger that has its id', async () => {
  const { clock, ensure, epoch, held, log, register, settleCut, terminate } = site()
  const sessionId = 's'.repeat(100)
  const [one, two] = ['1', '2'].map((last) =>
    sampleRegistration({
      sessionId,
      oidcSessionId: 'o'.repeat(100) + last,
      registeredAtMs: clock.nowMs - HOUR,
    }),
  ) as [Registration, Registration]
  await ensure()
  register(one, 0)
  register(two, 0)
  terminate(sessionId, 1)
  log.commit({ topic: INPUT, partition: 0 }, 2, { start: 0 })
  log.commit({ topic: INPUT, partition: 1 }, 1, { start: 0 })
  settleCut(one, { id: `${INPUT}/1/0@${clock.nowMs - 1_000}`, topic: INPUT, partition: 1, offset: 0 })
  epoch.lose()
  await ensure()
  expect(await held([one, two])).toEqual([two.oidcSessionId])
})

test('an outcome whose trigger the log should hold and does not ends nothing, and is told', async () => {
  const { disbelieved, ensure, held, log, register, settleBy } = site()
  registrations.slice(0, 6).forEach((it) => void register(it, 0))
  log.append({
    topic: INPUT,
    partition: 1,
    timestampMs: 1,
    value: {},
    headers: { ce_type: 'backchannel-logout-sent' },
  })
  const settles = (it: number, origin: object) => settleBy(at(it), sampleOrigin({ topic: INPUT, ...origin }))
  settles(0, { partition: 0, offset: 5 })
  // Beyond the end, not a trigger, no such partition, a topic that is not read.
  settles(1, { partition: 0, offset: 6 })
  settles(2, { partition: 1, offset: 0 })
  settles(3, { partition: 9, offset: 0 })
  settles(4, { topic: 'elsewhere', partition: 0, offset: 0 })
  await ensure()
  expect(await held(registrations)).toEqual(['o1', 'o2', 'o3', 'o4', 'o5'])
  // Including the outcome on the input topic.
  expect(disbelieved).toEqual([{ count: 5, first: expect.objectContaining({ topic: INPUT, partition: 1 }) }])
})

test('outcomes of a topic that had the name before end nothing, and nobody is told that they are forged', async () => {
  const { clock, disbelieved, ensure, held, log, register, settleBy } = site()
  registrations.slice(0, 3).forEach((it) => void register(it, 0))
  const headers = { ce_type: 'user-created' }
  log.append({ topic: INPUT, partition: 0, timestampMs: clock.nowMs, value: {}, headers })
  clock.nowMs -= HOUR
  settleBy(at(1), sampleOrigin({ topic: INPUT, partition: 0, offset: 3 }))
  settleBy(at(2), sampleOrigin({ topic: INPUT, partition: 0, offset: 70 }))
  clock.nowMs += HOUR
  await ensure()
  expect(await held(registrations)).toEqual(['o0', 'o1', 'o2'])
  expect(disbelieved).toEqual([])
})

test('an outcome is believed when its trigger may have been there: retention has passed it', async () => {
  const { disbelieved, ensure, held, log, register, settleBy } = site()
  registrations.slice(0, 3).forEach((it) => void register(it, 0))
  log.truncate({ topic: INPUT, partition: 0 }, 1)
  settleBy(at(1), sampleOrigin({ topic: INPUT, partition: 0, offset: 0 }))
  await ensure()
  expect(await held(registrations)).toEqual(['o2'])
  expect(disbelieved).toEqual([])
})

test('what a store that fell back lacks, and the log has dropped by then, is told', async () => {
  const { ensure, epoch, lacked, log, register } = site()
  for (let i = 0; i < 3; i++) register(at(i), 0)
  await ensure()
  const copy = epoch.copy()
  for (let i = 3; i < 9; i++) register(at(i), 0)
  log.truncate({ topic: INPUT, partition: 0 }, 7)
  epoch.failOver(copy, 'run-2')
  await ensure()
  expect(lacked).toMatchObject([{ topic: INPUT, partition: 0, lackedFrom: 3, low: 7 }])
})

/** Where each topic starts by the positions in the store: before it nothing is sent. */
async function startsIn(epoch: MemoryEpochStore): Promise<Record<string, number>> {
  const positions = await epoch.positions()
  return Object.fromEntries(positions.map(({ topic, start }) => [topic, start]))
}

function patternSite(topics: Readonly<Record<string, number>>) {
  const it = site({ patterns: ['in*'], topics: { ...topics, [OUTCOMES]: 1 } })
  const value = { type: 'session-terminated', sessionId: 's' }
  const trigger = (topic: string) =>
    it.log.append({ topic, partition: 0, timestampMs: it.clock.nowMs, value })
  /** Somebody has written to a topic that was not there. */
  const appear = (topic: string) => {
    it.log.create(topic, 1)
    trigger(topic)
  }
  const restart = () => it.relay().ensure(new AbortController().signal)
  return { ...it, appear, restart, trigger }
}

test('a first start with a pattern that is interrupted: what was there is over, what has appeared since is sent', async () => {
  const { appear, epoch, log, rebuild, restart, trigger } = patternSite({ [INPUT]: 1 })
  trigger(INPUT)
  const stopped = new AbortController()
  log.events.once('batch', () => stopped.abort())
  await expect(rebuild.ensure(stopped.signal)).rejects.toThrow()
  appear('in-new')
  await restart()
  expect(await startsIn(epoch)).toEqual({ [INPUT]: 1, 'in-new': 0 })
})

test('a pattern that nothing matched is followed all the same when the relay restarts', async () => {
  const { appear, ensure, epoch, restart } = patternSite({})
  await ensure()
  appear('in-new')
  await restart()
  expect(await startsIn(epoch)).toEqual({})
})

test('Redis is lost while no relay runs: the commits of the group tell which pattern it follows', async () => {
  const { appear, ensure, epoch, restart, trigger } = patternSite({ [INPUT]: 1 })
  trigger(INPUT)
  await ensure()
  epoch.lose()
  appear('in-new')
  await restart()
  expect(await startsIn(epoch)).toEqual({ [INPUT]: 1, 'in-new': 0 })
})

test('Redis is lost while the relay runs, before anything has matched: it knows what it follows', async () => {
  const { appear, ensure, epoch } = patternSite({})
  await ensure()
  epoch.lose()
  appear('in-new')
  await ensure()
  expect(await startsIn(epoch)).toEqual({ 'in-new': 0 })
})

test('neither Redis nor the group knows the pattern: every topic begins as at a first start', async () => {
  const { appear, ensure, epoch, log, restart } = patternSite({})
  await ensure()
  epoch.lose()
  log.forget()
  appear('in-new')
  await restart()
  expect(await startsIn(epoch)).toEqual({ 'in-new': 1 })
})
