import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Outcome } from '../../../src/events/outcome.ts'
import type { Registration } from '../../../src/events/registration.ts'
import { writeRegistration } from '../../../src/events/registration.ts'
import type { RecordBatch } from '../../../src/kafka/record-source.ts'
import { outcomeRecord } from '../../../src/outcome/outcome-record.ts'
import type { EpochStore } from '../../../src/recovery/epoch-store.ts'
import { Rebuild, type RebuildOptions } from '../../../src/recovery/rebuild.ts'
import { MemoryLog } from '../../support/memory-log.ts'
import { MemoryRegistry } from '../../support/memory-registry.ts'
import { manualClock } from '../manual-clock.ts'
import { ISSUER, sampleOrigin, sampleRegistration } from '../sample-registration.ts'

/* A rebuild from a log of several partitions, in which things happen while it is read. */

const INPUT = 'input'
const OUTCOMES = 'outcomes'
const HOUR = 3_600_000
const sent: Outcome = { kind: 'sent', jti: 'j', attempts: 1, status: 200 }

/** An epoch and a lock that runs out, as in the store; `another` is an owner beside the rebuild's. */
class MemoryEpochStore implements EpochStore {
  epoch: string | undefined
  #holder: { owner: string; untilMs: number } | undefined
  readonly #now: () => number

  constructor(now: () => number) {
    this.#now = now
  }

  async read(): Promise<string | undefined> {
    return this.epoch
  }

  async lock(owner: string, ms: number): Promise<boolean> {
    if (!this.#isFreeFor(owner)) return false
    this.#holder = { owner, untilMs: this.#now() + ms }
    return true
  }

  async renew(owner: string, ms: number): Promise<boolean> {
    return this.#isHeldBy(owner) && this.lock(owner, ms)
  }

  async confirm(owner: string): Promise<string | undefined> {
    if (this.#isHeldBy(owner)) this.epoch = `epoch of ${owner}`
    return this.epoch
  }

  async unlock(owner: string): Promise<void> {
    if (this.#isHeldBy(owner)) this.#holder = undefined
  }

  /** The server has lost its memory. */
  lose(): void {
    this.epoch = undefined
    this.#holder = undefined
  }

  #isHeldBy(owner: string): boolean {
    return this.#holder?.owner === owner && this.#holder.untilMs > this.#now()
  }

  #isFreeFor(owner: string): boolean {
    return this.#holder === undefined || this.#holder.untilMs <= this.#now() || this.#isHeldBy(owner)
  }
}

function site(changes: Partial<RebuildOptions> = {}) {
  const clock = manualClock()
  const log = new MemoryLog({ [INPUT]: 3, [OUTCOMES]: 3 })
  const registry = new MemoryRegistry()
  const epoch = new MemoryEpochStore(() => clock.nowMs)
  /** Offsets of the triggers that were run again, by partition. */
  const ranAgain: string[] = []
  const rebuild = new Rebuild({
    clock,
    epoch,
    registry,
    defaultIssuer: ISSUER,
    groupId: 'g',
    horizonMs: HOUR,
    inputTopics: [INPUT],
    outcomeTopic: OUTCOMES,
    isServedIssuer: (issuer) => issuer === ISSUER,
    onProgress: () => undefined,
    reader: log,
    runAgain: async (records) => {
      for (const { partition, offset } of records) ranAgain.push(`${partition}/${offset}`)
    },
    againSettled: async () => undefined,
    sessionLifetimeMs: 10 * HOUR,
    ...changes,
  })
  const timestampMs = clock.nowMs - 1_000
  return {
    clock,
    epoch,
    log,
    ranAgain,
    rebuild,
    ensure: () => rebuild.ensure(new AbortController().signal),
    register: (registration: Registration, partition: number) =>
      log.append({
        ...{ topic: INPUT, partition, timestampMs },
        value: { type: 'backchannel-logout-registered', ...JSON.parse(writeRegistration(registration)) },
      }),
    terminate: (sessionId: string, partition: number) =>
      log.append({
        ...{ topic: INPUT, partition, timestampMs },
        value: { type: 'session-terminated', sessionId },
      }),
    settle: (registration: Registration, partition: number) => {
      const cause = { origin: sampleOrigin(), occurredAtMs: timestampMs, everywhere: false }
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
  expect(await ensure()).toBe(epoch.epoch)
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
  epoch.epoch = 'intact'
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
    for (let second = 0; second < 60; second++) {
      clock.nowMs += 1_000
      vi.advanceTimersByTime(1_000)
    }
    others.push(epoch.lock('another', 30_000))
  })
  expect(await ensure()).toBe(epoch.epoch)
  expect(await Promise.all(others)).toEqual(others.map(() => false))
  expect(others.length).toBeGreaterThan(3)
})

test('it ends without an epoch when the lock is lost: the store has forgotten what was written', async () => {
  const { ensure, epoch, log, register } = site()
  registrations.forEach((it, i) => void register(it, i % 3))
  let batches = 0
  log.events.on('batch', (_batch: RecordBatch) => {
    if (++batches === 3) epoch.lose()
  })
  await expect(ensure()).rejects.toMatchObject({ code: 'LR_UNAVAILABLE' })
  expect(epoch.epoch).toBeUndefined()
})
