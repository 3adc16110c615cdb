import { describe, expect, test, vi } from 'vitest'
import type { OutgoingRecord } from '../../../src/delivery/outcome-log.ts'
import { Decoders, registeredDecoders } from '../../../src/events/decoding/decode-record.ts'
import type { Schema, Schemas } from '../../../src/events/decoding/record-values.ts'
import type { WireRecord } from '../../../src/events/wire-record.ts'
import { DeadLetters } from '../../../src/intake/dead-letters.ts'
import { Intake } from '../../../src/intake/intake.ts'
import { PartitionQueue } from '../../../src/intake/partition-queue.ts'
import { Pipeline } from '../../../src/intake/pipeline.ts'
import { configOf, deliveryFixture, tokenOf } from '../delivery/delivery-fixture.ts'
import { foreignFormat, foreignRecord, saying } from '../events/foreign-format.ts'
import { RECORD_TIME_MS, wireRecord } from '../events/wire-records.ts'
import {
  ISSUER,
  OTHER_ISSUER,
  sampleEnding,
  sampleOrigin,
  sampleRegistration,
} from '../sample-registration.ts'
import { servedIssuer } from '../served-issuer.ts'

interface FixtureOptions {
  readonly signedOutWithoutSession?: 'fan-out' | 'ignore'
  /** How often the registry is unreachable. */
  readonly failures?: number
  readonly env?: Record<string, string>
  /** Resolves when the log acknowledges outcomes. */
  readonly acknowledged?: () => Promise<void>
  /** The stores of another replica. */
  readonly stores?: Pick<ReturnType<typeof deliveryFixture>, 'registry' | 'backlog'>
  /** Where the group first started in every partition. */
  readonly start?: number
  readonly schemas?: Schemas
}

const ignored = { onError: () => undefined, onRecovered: () => undefined }

/** Intake on stores in memory, with one partition whose records a test writes. */
function intakeFixture(options: FixtureOptions = {}) {
  const { signedOutWithoutSession = 'fan-out', failures = 0, env = {}, acknowledged, stores } = options
  const { start = 0 } = options
  const delivery = deliveryFixture({
    env,
    ...(acknowledged !== undefined && { acknowledged }),
    ...(stores !== undefined && { stores }),
  })
  const { clock, core, registry } = delivery
  const letters: OutgoingRecord[] = []
  const accepted: string[] = []
  const skipped: string[] = []
  const log = { append: async (records: readonly OutgoingRecord[]) => void letters.push(...records) }
  const limits = { onCut: () => undefined, recordBytesMax: async () => undefined }
  const deadLetters = new DeadLetters({ log, topic: 'dead', ...limits, ...ignored })
  const apply = registry.apply.bind(registry)
  let failed = 0
  registry.apply = async (steps) => {
    if (failed++ < failures) throw new Error('the registry is away')
    return apply(steps)
  }
  const intake = new Intake({
    clock,
    deadLetters,
    registry,
    admission: core.admission,
    events: {
      accepted: (_, result, owed) => accepted.push(`${result} ${owed}`),
      skipped: (reason) => skipped.push(reason),
      poisoned: (_, type, reason) => skipped.push(`${type} ${reason}`),
      commitFailed: () => undefined,
    },
    isBeforeStart: async ({ offset }) => offset < start,
    onRefused: () => undefined,
    open: core.open,
    pipeline: new Pipeline(
      new Decoders((name = ISSUER) => name, [...registeredDecoders, foreignFormat], options.schemas),
      servedIssuer({ signedOutWithoutSession, deadlineMs: configOf(env).delivery.retry.deadlineMs }, [
        ISSUER,
        OTHER_ISSUER,
      ]),
    ),
    registryStep: ignored,
    relyingParties: core.relyingParties,
    settings: core.settings,
  })
  const openLane = (partition: number) =>
    new PartitionQueue({
      partition,
      start,
      topic: 't',
      position: 0,
      work: intake.work,
      pause: () => undefined,
      resume: () => undefined,
      onAdvance: () => undefined,
      onOutcomeSkipped: () => skipped.push('outcome'),
      onGap: () => undefined,
    })
  const queue = openLane(0)
  let next = 0
  return {
    ...delivery,
    accepted,
    deadLetters,
    intake,
    queue,
    letters,
    openLane,
    skipped,
    /** Appends records to the log and waits until all are processed. */
    async read(...records: WireRecord[]): Promise<void> {
      const from = next
      const placed = records.map((record) => ({ ...record, topic: 't', partition: 0, offset: next++ }))
      queue.take({
        topic: 't',
        partition: 0,
        records: placed,
        fetchedOffset: from,
        nextOffset: next,
        endOffset: next,
      })
      await queue.idle()
    },
  }
}

const { registeredAtMs, sid, ...registration } = sampleRegistration()
const registered = (changes: Record<string, unknown> = {}) =>
  wireRecord({
    type: 'backchannel-logout-registered',
    ...registration,
    registeredAt: registeredAtMs,
    ...changes,
  })
const terminated = (sessionId = 'session-1', changes: Record<string, unknown> = {}) =>
  wireRecord({ type: 'session-terminated', sessionId, ...changes })
const signedOut = (changes: Record<string, unknown> = {}) =>
  wireRecord({ type: 'user-signed-out', userId: 'user-1', ...changes })
const ok = { kind: 'answered', status: 200 } as const

describe('what stood on the log before the first start, behind an open transaction', () => {
  const at = (record: WireRecord, partition: number, offset: number) => ({
    ...record,
    topic: 't',
    partition,
    offset,
  })

  test.each([
    ['session-terminated', terminated()],
    ['user-signed-out', signedOut()],
  ])('a registration counts, and a %s ends its session without an outcome', async (_, trigger) => {
    const fixture = intakeFixture({ start: 3 })
    const { accepted, attempts, registry, queue } = fixture
    await fixture.read(registered(), registered({ sessionId: 'session-2', userId: 'user-2' }), trigger)
    expect(accepted).toEqual(['accepted 0', 'accepted 0', 'nothing-owed 0'])
    expect(attempts).toEqual([])
    expect(await registry.find([sampleRegistration()])).toEqual([undefined])
    expect(queue.tracker.committable).toBe(3)
    await fixture.read(terminated('session-2'))
    expect(attempts).toHaveLength(1)
  })

  // Partitions are read in any order.
  test.each([
    ['that stood there too ends without an outcome', 0, 0],
    ['from after the start is told', 7, 1],
  ])('a login that is read behind a trigger %s', async (_, offset, told) => {
    const { attempts, openLane, registry } = intakeFixture({ start: 3 })
    const take = async (record: WireRecord) => {
      const { partition, offset: fetchedOffset } = record
      const queue = openLane(partition)
      queue.skipTo(fetchedOffset)
      const after = fetchedOffset + 1
      queue.take({
        topic: 't',
        partition,
        records: [record],
        fetchedOffset,
        nextOffset: after,
        endOffset: after,
      })
      await queue.idle()
    }
    await take(at(terminated(), 0, offset))
    await take(at(registered(), 1, 1))
    expect(attempts).toHaveLength(told)
    const [held] = await registry.find([sampleRegistration()])
    expect(held === undefined).toBe(told === 0)
  })
})

describe('intake', () => {
  test('partitions that are read side by side do not each fill the whole room', async () => {
    const { core, openLane, registry } = intakeFixture({ env: { MAX_UNSETTLED: '10' } })
    const apply = registry.apply.bind(registry)
    registry.apply = async (steps) => {
      await new Promise((resolve) => setImmediate(resolve))
      return apply(steps)
    }
    const sessions = Array.from({ length: 120 }, (_, i) => `session-${i}`)
    for (const sessionId of sessions) {
      for (const oidcSessionId of ['a', 'b', 'c']) {
        // One RP each, so that no RP reaches its limit and parks.
        const clientId = `${sessionId}-${oidcSessionId}`
        const owed = sampleRegistration({ sessionId, oidcSessionId, clientId })
        await apply([{ kind: 'register', registration: owed, origin: sampleOrigin() }])
      }
    }
    for (const partition of [0, 1, 2, 3]) {
      const records = sessions
        .filter((_, i) => i % 4 === partition)
        .map((sessionId, offset) => ({ ...terminated(sessionId), topic: 't', partition, offset }))
      const end = records.length
      openLane(partition).take({
        topic: 't',
        partition,
        records,
        fetchedOffset: 0,
        nextOffset: end,
        endOffset: end,
      })
    }
    for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve))
    expect(core.open.size).toBeGreaterThanOrEqual(10)
    // The first records are taken before their number of deliveries is known.
    expect(core.open.size).toBeLessThanOrEqual(10 * 3)
  })

  test('the offset waits for the delivery, and for nothing else', async () => {
    const { attempts, queue, read, stored, accepted } = intakeFixture()
    await read(registered(), wireRecord(null), terminated('nobody'), terminated(), terminated('nobody'))
    expect(accepted).toEqual(['accepted 0', 'nothing-owed 0', 'accepted 1', 'nothing-owed 0'])
    expect(queue.tracker.committable).toBe(3)
    expect(attempts).toHaveLength(1)
    attempts[0]?.answer(ok)
    await stored()
    expect(queue.tracker.committable).toBe(5)
  })

  test('the offset waits for the outcomes of registrations that cannot be read', async () => {
    const acknowledgement = Promise.withResolvers<void>()
    const { attempts, queue, outcomes, read, registry, stored } = intakeFixture({
      acknowledged: () => acknowledgement.promise,
    })
    // As an identity provider may have written them to Redis. The registry in memory has none.
    const broken = ['a', 'b'].map((oidcSessionId) => ({
      ...{ issuer: ISSUER, sessionId: 'session-1', oidcSessionId, partial: {} },
      reason: 'registration: is not JSON',
    }))
    registry.apply = async (steps) =>
      steps.map((step) => {
        if (!('ending' in step)) throw new Error('only triggers are read here')
        return {
          kind: 'owed',
          groups: [{ relation: 'fresh', ending: step.ending, registrations: [], broken }],
        }
      })
    await read(terminated())
    expect(queue.tracker.committable).toBe(0)
    acknowledgement.resolve()
    await stored()
    expect(outcomes()).toMatchObject([
      { oidcSessionId: 'a', reason: 'invalid' },
      { oidcSessionId: 'b', reason: 'invalid' },
    ])
    expect(attempts).toEqual([])
    expect(queue.tracker.committable).toBe(1)
  })

  test('what the registry answers for a partition that was given up meanwhile is not sent', async () => {
    const { attempts, queue, read, registry } = intakeFixture()
    await read(registered())
    const apply = registry.apply.bind(registry)
    registry.apply = async (steps) => {
      const answers = await apply(steps)
      queue.close()
      return answers
    }
    await read(terminated())
    expect(attempts).toEqual([])
  })

  test('a delivery that is parked holds no offset', async () => {
    const { attempts, queue, read, stored } = intakeFixture()
    await read(registered(), terminated())
    attempts[0]?.answer({ kind: 'answered', status: 503 })
    expect(queue.tracker.committable).toBe(1)
    await stored()
    expect(queue.tracker.committable).toBe(2)
  })

  test('poison goes to the dead letters, which the offset waits for, and stops nothing', async () => {
    const { attempts, deadLetters, queue, letters, read, skipped, stored } = intakeFixture()
    await read(registered(), wireRecord(Buffer.from('{')), terminated())
    expect(queue.tracker.committable).toBeLessThanOrEqual(1)
    await deadLetters.idle()
    expect(letters).toMatchObject([{ topic: 'dead', headers: { 'dead-letter-offset': '1' } }])
    expect(skipped).toEqual(['unknown value: is not JSON'])
    attempts[0]?.answer(ok)
    await stored()
    expect(queue.tracker.committable).toBe(3)
  })

  test('a record that comes again sends nothing again', async () => {
    const { attempts, queue, published, read, stored, accepted } = intakeFixture()
    await read(registered(), terminated())
    attempts[0]?.answer(ok)
    await stored()
    await read(registered(), terminated())
    expect(attempts).toHaveLength(1)
    expect(published).toHaveLength(1)
    expect(accepted.slice(-2)).toEqual(['already-settled 0', 'nothing-owed 0'])
    expect(queue.tracker.committable).toBe(4)
  })

  test('a login that races the logout is told at once, and its offset waits for that', async () => {
    const { attempts, queue, outcomes, read, stored, accepted } = intakeFixture()
    await read(terminated('session-1', { id: 'the-end' }), registered())
    expect(accepted).toEqual(['nothing-owed 0', 'late-registration 1'])
    expect(queue.tracker.committable).toBe(1)
    attempts[0]?.answer(ok)
    await stored()
    expect(queue.tracker.committable).toBe(2)
    expect(outcomes()).toMatchObject([{ trigger: { id: 'the-end', offset: 0 } }])
  })

  test('a login that comes when the time of the others is over has a time of its own', async () => {
    const { attempts, clock, read } = intakeFixture()
    await read(terminated('session-1'))
    clock.nowMs += 2 * 3_600_000
    await read(registered())
    expect(attempts).toHaveLength(1)
  })

  test('sign-out without a session: every session of the user, or nothing', async () => {
    const records = [registered(), registered({ sessionId: 'session-2', oidcSessionId: 'b' }), signedOut()]
    const fanOut = intakeFixture()
    await fanOut.read(...records)
    expect(fanOut.attempts).toHaveLength(2)
    const ignore = intakeFixture({ signedOutWithoutSession: 'ignore' })
    await ignore.read(...records)
    expect(ignore.attempts).toEqual([])
    expect(ignore.accepted).toContain('ignored 0')
    expect(ignore.queue.tracker.committable).toBe(3)
  })

  test.each([
    ['within what two clocks may differ is meant', 3_000, 1],
    ['later is another login', 30_000, 0],
  ])('a registration dated after the sign-out everywhere: one %s', async (_, laterMs, expected) => {
    const { attempts, clock, read } = intakeFixture()
    const signedOutAtMs = clock.now() - 60_000
    await read(
      registered({ registeredAt: signedOutAtMs + laterMs }),
      signedOut({ time: new Date(signedOutAtMs).toISOString() }),
    )
    expect(attempts).toHaveLength(expected)
  })

  test('sign-out with a session ends that session only', async () => {
    const { attempts, read } = intakeFixture({ signedOutWithoutSession: 'ignore' })
    await read(
      registered(),
      registered({ sessionId: 'session-2', oidcSessionId: 'b' }),
      signedOut({ sessionId: 'session-2' }),
    )
    expect(attempts.map((attempt) => tokenOf(attempt).sid)).toEqual(['session-2'])
  })

  test('an issuer that is not served is counted and skipped', async () => {
    const { attempts, queue, read, accepted } = intakeFixture()
    await read(
      registered({ issuer: 'https://other.example' }),
      terminated('session-1', { issuer: 'https://other.example' }),
    )
    expect(accepted).toEqual(['unknown-issuer 0', 'unknown-issuer 0'])
    expect(attempts).toEqual([])
    expect(queue.tracker.committable).toBe(2)
  })

  test('a registry that is away for a moment costs nothing but that moment', async () => {
    const { attempts, read } = intakeFixture({ failures: 1 })
    await read(registered(), terminated())
    expect(attempts).toHaveLength(1)
  })
})

describe('a record whose schema is not known', () => {
  const string: Schema = { kind: 'avro', type: { kind: 'string' } }
  const inAvro = (record: WireRecord) => {
    const value = record.value as Buffer
    const length = Buffer.from([((2 * value.length) & 0x7f) | 0x80, (2 * value.length) >> 7])
    return { ...record, value: Buffer.concat([Buffer.from([0, 0, 0, 0, 7]), length, value]) }
  }

  test('waits with those behind it while the schema registry is away, and other partitions go on', async () => {
    let isAway = true
    const find = async () => {
      if (isAway) throw new Error('the schema registry is away')
      return string
    }
    const { accepted, letters, openLane, queue } = intakeFixture({ schemas: { find } })
    const other = openLane(1)
    const batchOf = (partition: number, ...records: WireRecord[]) => ({
      ...{ topic: 't', partition, fetchedOffset: 0, nextOffset: records.length, endOffset: records.length },
      records: records.map((record, offset) => ({ ...record, topic: 't', partition, offset })),
    })
    queue.take(batchOf(0, terminated('a'), inAvro(terminated('b')), terminated('c')))
    other.take(batchOf(1, terminated('d'), terminated('e')))
    await other.idle()
    await vi.waitFor(() => expect(accepted).toHaveLength(3))
    expect([queue.tracker.committable, other.tracker.committable]).toEqual([1, 2])
    isAway = false
    await queue.idle()
    expect(accepted).toHaveLength(5)
    expect(queue.tracker.committable).toBe(3)
    expect(letters).toEqual([])
  })
})

describe('a record that says several things', () => {
  const registering = (changes: Record<string, unknown> = {}) =>
    saying('backchannel-logout-registered', { ...registration, registeredAt: registeredAtMs, ...changes })
  const ending = (sessionId: string) => saying('session-terminated', { sessionId })
  const sessions = (count: number) => Array.from({ length: count }, (_, i) => `session-${i}`)

  test('is settled when the last of them is', async () => {
    const { attempts, queue, outcomes, read, stored } = intakeFixture()
    await read(
      foreignRecord(...['a', 'b'].map((sessionId) => registering({ sessionId, oidcSessionId: sessionId }))),
      foreignRecord(ending('a'), { kind: 'skipped', reason: 'unknown-type' }, ending('b'), ending('nobody')),
    )
    expect(attempts).toHaveLength(2)
    expect(queue.tracker.committable).toBe(1)
    attempts[0]?.answer(ok)
    await stored()
    expect(queue.tracker.committable).toBe(1)
    attempts[1]?.answer(ok)
    await stored()
    expect(queue.tracker.committable).toBe(2)
    const [first, second] = outcomes().map(({ trigger }) => (trigger as { id: string }).id)
    expect(second).toBe(`${first}#2`)
  })

  test('one that brings a session and its end twice tells the RP once', async () => {
    const { attempts, queue, read, stored } = intakeFixture()
    await read(foreignRecord(registering(), ending('session-1'), ending('session-1')))
    expect(attempts).toHaveLength(1)
    attempts[0]?.answer(ok)
    await stored()
    expect(queue.tracker.committable).toBe(1)
  })

  test('is one dead letter, however much of it cannot be read, and the rest is carried out', async () => {
    const { attempts, deadLetters, queue, letters, read, skipped, stored } = intakeFixture()
    await read(foreignRecord(registering(), ending(''), ending('session-1'), ending('')))
    await deadLetters.idle()
    expect(letters).toHaveLength(1)
    expect(skipped).toHaveLength(2)
    expect(queue.tracker.committable).toBe(0)
    attempts[0]?.answer(ok)
    await stored()
    expect(queue.tracker.committable).toBe(1)
  })

  test('more than fits into a round trip goes in parts, in order, and before the next record', async () => {
    const { accepted, queue, read, registry } = intakeFixture()
    const steps: number[] = []
    const apply = registry.apply.bind(registry)
    registry.apply = async (asked) => {
      steps.push(asked.length)
      return apply(asked)
    }
    await read(foreignRecord(...sessions(100).map(ending)), terminated('session-0'))
    expect(Math.max(...steps)).toBeLessThanOrEqual(24)
    expect(accepted).toHaveLength(101)
    expect(queue.tracker.committable).toBe(2)
  })

  test('a partition that is held meanwhile goes on with the rest, and one that is given up with nothing', async () => {
    for (const isGivenUp of [false, true]) {
      const { accepted, queue, read, registry } = intakeFixture()
      const apply = registry.apply.bind(registry)
      registry.apply = async (asked) => {
        queue.hold()
        return apply(asked)
      }
      await read(foreignRecord(...sessions(30).map(ending)))
      expect(accepted).toHaveLength(24)
      expect(queue.tracker.committable).toBe(0)
      registry.apply = apply
      if (isGivenUp) queue.close()
      queue.release()
      await queue.idle()
      expect([accepted.length, queue.tracker.committable]).toEqual(isGivenUp ? [24, 0] : [30, 1])
    }
  })
})

describe('a session that has ended before', () => {
  const RP = `${ISSUER}|client-1`
  const unavailable = { kind: 'answered', status: 503 } as const
  const env = { ATTEMPT_TIMEOUT_MS: '10000' }
  const second = () => signedOut({ sessionId: 'session-1', id: 'second' })

  /** The first trigger was read, and its delivery is parked after a retryable answer. */
  async function parked() {
    const fixture = intakeFixture({ env })
    await fixture.read(registered(), terminated('session-1', { id: 'first' }))
    fixture.attempts[0]?.answer(unavailable)
    await fixture.stored()
    return fixture
  }

  const claimed = ({ backlog, clock }: ReturnType<typeof intakeFixture>) =>
    backlog.claim(RP, clock.now(), clock.now() + 30_000, 10)

  test('a further trigger makes due what is parked, which goes back to the first', async () => {
    const fixture = await parked()
    const { attempts, queue, read, clock } = fixture
    expect(await claimed(fixture)).toEqual([])
    await read(second())
    expect(attempts).toHaveLength(1)
    expect(queue.tracker.committable).toBe(3)
    expect(await claimed(fixture)).toMatchObject([
      { state: { attempts: 1, cause: { origin: { id: 'first' } } }, dueMs: clock.now() + 30_000 },
    ])
  })

  test('a further trigger attempts nothing beside the replica that has it', async () => {
    const fixture = await parked()
    const { attempts, backlog, clock, queue, read } = fixture
    clock.nowMs += 60_000
    expect(await claimed(fixture)).toHaveLength(1)
    await read(second())
    expect(attempts).toHaveLength(1)
    expect(queue.tracker.committable).toBe(3)
    expect(await claimed(fixture)).toEqual([])
    clock.nowMs += 30_000
    expect(await claimed(fixture)).toHaveLength(1)
    expect(await backlog.sizes(10)).toMatchObject([{ size: 1 }])
  })

  test('a record that comes again while its delivery is just being settled tells the RP once', async () => {
    const { attempts, backlog, queue, read, registry, stored } = intakeFixture()
    await read(registered(), terminated())
    const apply = registry.apply.bind(registry)
    registry.apply = async (steps) => {
      const answers = await apply(steps)
      attempts[0]?.answer(ok)
      await stored()
      return answers
    }
    await read(registered())
    await stored()
    expect(attempts).toHaveLength(1)
    expect(queue.tracker.committable).toBe(3)
    expect(await backlog.sizes(10)).toEqual([])
  })

  test('a further trigger waits for what is under way here', async () => {
    const { attempts, queue, outcomes, read, stored } = intakeFixture()
    await read(registered(), terminated('session-1', { id: 'first' }), second())
    expect(attempts).toHaveLength(1)
    expect(queue.tracker.committable).toBe(1)
    attempts[0]?.answer(ok)
    await stored()
    expect(queue.tracker.committable).toBe(3)
    expect(outcomes()).toMatchObject([{ trigger: { id: 'first' } }])
  })

  test('a first attempt elsewhere is waited for, and made good for should it never end', async () => {
    const fixture = intakeFixture({ env })
    const { attempts, clock, queue, outcomes, read, registry, stored, core } = fixture
    await read(registered())
    const ending = sampleEnding({
      origin: sampleOrigin({ id: 'elsewhere' }),
      deadlineMs: clock.now() + 60_000,
    })
    await registry.apply([{ kind: 'end-session', issuer: ISSUER, sessionId: 'session-1', ending }])
    await read(second())
    expect(attempts).toEqual([])
    expect(queue.tracker.committable).toBe(2)
    clock.nowMs += 10_000
    expect(await fixture.backlog.dueRps(clock.now(), 0, 10)).toEqual([])
    clock.nowMs += 1_000
    core.backlogLoop.start()
    await vi.waitUntil(() => attempts.length === 1)
    attempts[0]?.answer(ok)
    await stored()
    await core.backlogLoop.stop()
    expect(outcomes()).toMatchObject([{ trigger: { id: 'elsewhere' } }])
    expect(await fixture.backlog.sizes(10)).toEqual([])
  })

  test('a record that comes again leaves alone what is parked, and takes what nobody has', async () => {
    const died = intakeFixture({ env })
    const { backlog, registry } = died
    const record = terminated('session-1', { id: 'first' })
    // To reach the same offset.
    const before = Array.from({ length: 3 }, () => wireRecord(null))
    await died.read(
      registered(),
      registered({ oidcSessionId: 'b' }),
      registered({ oidcSessionId: 'c' }),
      record,
    )
    died.attempts[0]?.answer(unavailable)
    await died.stored()
    const next = intakeFixture({ env, stores: { backlog, registry } })
    await next.read(...before, record)
    expect(next.attempts).toHaveLength(2)
    // A third one, while the second is processing it.
    const third = intakeFixture({ env, stores: { backlog, registry } })
    await third.read(...before, record)
    expect(third.attempts).toEqual([])
    next.attempts[0]?.answer(ok)
    next.attempts[1]?.answer(unavailable)
    await next.stored()
    expect(next.outcomes()).toMatchObject([{ oidcSessionId: 'b', trigger: { id: 'first' } }])
    expect(await backlog.sizes(10)).toMatchObject([{ size: 2 }])
  })

  test('a login after the end is left alone by whatever belongs to that end', async () => {
    const { accepted, attempts, clock, read, stored } = intakeFixture()
    await read(registered(), terminated('session-1', { id: 'first' }))
    attempts[0]?.answer(ok)
    await stored()
    clock.nowMs += 600_000
    const at = { timestampMs: clock.now() }
    await read({ ...registered({ registeredAt: clock.now() }), ...at })
    await read(second())
    expect(attempts).toHaveLength(1)
    expect(accepted.slice(-2)).toEqual(['accepted 0', 'nothing-owed 0'])
    await read({ ...terminated('session-1', { id: 'third' }), ...at })
    expect(attempts).toHaveLength(2)
  })
})

describe('a mass logout of one issuer while another is told something, too', () => {
  const SESSIONS = 600
  const env = { MAX_UNSETTLED: '200', MAX_IN_FLIGHT: '32', MAX_IN_FLIGHT_PER_RP: '4' }
  const other = (sessionId: string) =>
    sampleRegistration({ issuer: OTHER_ISSUER, sessionId, clientId: 'other' })
  const massLogout = Array.from({ length: SESSIONS }, (_, n) =>
    sampleRegistration({ sessionId: `mass-${n}`, clientId: `client-${n % 40}` }),
  )

  async function begun() {
    const fixture = intakeFixture({ env })
    const { attempts, core, owe, read, registry } = fixture
    // Its RPs have answered before, and so has the other issuer's.
    for (const it of [...massLogout.slice(0, 40), other('before')])
      core.relyingParties.get(it.issuer, it.clientId).standing.ended(0, 5)
    await owe([other('before')])
    attempts.pop()?.answer(ok)
    await fixture.stored()
    await registry.apply(
      [...massLogout, other('behind')].map((registration) => ({
        kind: 'register' as const,
        registration,
        origin: sampleOrigin(),
      })),
    )
    const record = (issuer: string, sessionId: string) => terminated(sessionId, { issuer })
    await read(
      ...massLogout.map(({ sessionId }) => record(ISSUER, sessionId)),
      record(OTHER_ISSUER, 'behind'),
    )
    return fixture
  }

  test('is not parked, and the other does not wait behind it', async () => {
    const { attempts, backlog, core, queue, stored, unanswered } = await begun()
    const isTold = () => attempts.some((attempt) => tokenOf(attempt).iss === OTHER_ISSUER)
    await vi.waitFor(() => {
      expect(isTold()).toBe(true)
    })
    expect(attempts.length).toBeLessThan(SESSIONS / 2)
    expect(queue.tracker.committable).toBe(0)
    expect(queue.tracker.openRecords).toBeLessThanOrEqual(200)
    await vi.waitFor(async () => {
      for (const attempt of unanswered) attempt.answer(ok)
      await stored()
      expect(queue.tracker.committable).toBe(SESSIONS + 1)
    })
    expect(await backlog.sizes(10)).toEqual([])
    expect(attempts.length).toBe(SESSIONS + 1)
    expect(core.open.size).toBe(0)
  })

  test('ends a session before a login again under the same ids takes its place', async () => {
    const { attempts, queue, read, registry, stored, unanswered } = await begun()
    const name = { sessionId: 'reused', userId: 'reused' }
    await registry.apply([
      { kind: 'register', registration: sampleRegistration(name), origin: sampleOrigin() },
    ])
    const at = (ms: number) => new Date(RECORD_TIME_MS - ms).toISOString()
    await read(
      signedOut({ issuer: ISSUER, userId: 'reused', time: at(600_000) }),
      registered({ ...name, registeredAt: at(300_000) }),
    )
    await vi.waitFor(async () => {
      for (const attempt of unanswered) attempt.answer(ok)
      await stored()
      expect(queue.tracker.committable).toBe(SESSIONS + 3)
    })
    const told = attempts.filter((attempt) => tokenOf(attempt).sid === 'reused')
    expect(told).toHaveLength(1)
    expect(await registry.find([{ issuer: ISSUER, sessionId: 'reused', oidcSessionId: 'oidc-1' }])).toEqual([
      expect.objectContaining({ sessionId: 'reused' }),
    ])
  })

  test('what waits is not carried out when the partition goes to another replica', async () => {
    const { attempts, core, endAll, queue } = await begun()
    queue.close()
    await endAll()
    await vi.waitFor(() => expect(core.open.size).toBe(0))
    expect(attempts.length).toBeLessThan(SESSIONS / 2)
  })
})

test('the event loop turns while records are passed over that need no step', async () => {
  const { read, skipped } = intakeFixture()
  let passed = Number.NaN
  setImmediate(() => {
    passed = skipped.length
  })
  await read(...Array.from({ length: 2_000 }, () => wireRecord({ type: 'somebody-elses' })))
  expect(skipped).toHaveLength(2_000)
  expect(passed).toBeLessThan(1_000)
})
