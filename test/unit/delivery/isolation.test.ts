import { describe, expect, test } from 'vitest'
import type { Registration } from '../../../src/events/registration.ts'
import type { Registry } from '../../../src/registry/registry.ts'
import { eventually } from '../../support/eventually.ts'
import { ISSUER, sampleEnding, sampleOrigin, sampleRegistration } from '../sample-registration.ts'
import { claimPlacesOf, deliveryFixture } from './delivery-fixture.ts'

const DEAD = `${ISSUER}|client-1`
const ok = { kind: 'answered', status: 200 } as const
const refused = {
  kind: 'unreachable',
  code: 'ECONNREFUSED',
  message: 'refused',
  staleConnection: false,
} as const
const sessions = (from: number, count: number) =>
  Array.from({ length: count }, (_, i) => sampleRegistration({ sessionId: `session-${from + i}` }))

async function register({ registry }: ReturnType<typeof deliveryFixture>, registrations: Registration[]) {
  const origin = sampleOrigin()
  await registry.apply(registrations.map((registration) => ({ kind: 'register', registration, origin })))
}

/** A delivery whose RP was found not to answer; chance is 0, so that the cool-down is a whole second. */
async function deadRpFixture(env: Record<string, string> = {}, deadlineMs?: number) {
  const fixture = deliveryFixture({ env })
  fixture.clock.chance = 0
  await register(fixture, sessions(0, 5))
  await fixture.owe(sessions(0, 5), {}, deadlineMs)
  for (const attempt of fixture.attempts.splice(0)) attempt.answer(refused)
  await fixture.stored()
  return fixture
}

describe('an RP that does not answer', () => {
  test('what comes for it is parked without an attempt, until the end of the cool-down', async () => {
    const { attempts, backlog, breakers, clock, owe, stored } = await deadRpFixture()
    expect(breakers).toEqual(['client-1 open'])
    const sourceRecords = await owe(sessions(10, 3))
    await stored()
    expect(attempts).toEqual([])
    expect(sourceRecords.map(({ isSettled }) => isSettled)).toEqual([true, true, true])
    const soon = await backlog.claim(DEAD, clock.now() + 999, clock.now() + 2_000, 100)
    expect(soon.map(({ sessionId }) => sessionId)).not.toContain('session-10')
    const parked = await backlog.claim(DEAD, clock.now() + 1_000, 0, 100)
    expect(parked.filter(({ sessionId }) => sessionId === 'session-10')).toMatchObject([
      { state: { attempts: 0 } },
    ])
  })

  test('what waits for it when it is found out is parked as well', async () => {
    const fixture = deliveryFixture({ env: { MAX_IN_FLIGHT_PER_RP: '5' } })
    await fixture.owe(sessions(0, 20))
    expect(fixture.attempts).toHaveLength(5)
    for (const attempt of fixture.attempts.splice(0)) attempt.answer(refused)
    await fixture.stored()
    // Each of the first four that ended had made room for one more.
    expect(fixture.attempts).toHaveLength(4)
    expect(fixture.core.dispatcher.waiting).toBe(0)
    expect(fixture.core.open.size).toBe(4)
    expect(await fixture.backlog.sizes(1)).toMatchObject([{ rpKey: DEAD, size: 16 }])
  })

  test('after the cool-down one attempt is made; the others wait for what it brings', async () => {
    const { attempts, breakers, clock, owe, stored } = await deadRpFixture()
    clock.nowMs += 1_000
    await owe(sessions(10, 3))
    expect(attempts).toHaveLength(1)
    attempts.splice(0)[0]?.answer(refused)
    await stored()
    await owe(sessions(20, 3))
    expect(attempts).toHaveLength(0)
    clock.nowMs += 2_000
    await owe(sessions(30, 3))
    expect(attempts).toHaveLength(1)
    attempts.splice(0)[0]?.answer(ok)
    await stored()
    expect(breakers).toEqual(['client-1 open', 'client-1 open', 'client-1 closed'])
    await owe(sessions(40, 5))
    expect(attempts).toHaveLength(2)
  })

  test('what the guard blocks says nothing of it: the row of its failures goes on', async () => {
    const { attempts, breakers, owe, stored } = deliveryFixture({ env: { BREAKER_FAILURES: '5' } })
    await owe(sessions(0, 6))
    const results = [refused, refused, refused, refused, { kind: 'blocked', message: 'is private' }, refused]
    for (const [i, attempt] of attempts.splice(0).entries()) attempt.answer(results[i] as typeof refused)
    await stored()
    expect(breakers).toEqual(['client-1 open'])
  })

  test('the others are not touched', async () => {
    const { attempts, owe } = await deadRpFixture()
    await owe([sampleRegistration({ sessionId: 'session-99', clientId: 'client-2' })])
    expect(attempts).toHaveLength(1)
  })

  test('one that has ended none of its attempts for a while keeps nothing waiting here', async () => {
    const { attempts, core, owe, stored } = deliveryFixture({ env: { MAX_IN_FLIGHT_PER_RP: '4' } })
    await owe(sessions(0, 10))
    expect(attempts).toHaveLength(4)
    expect(core.dispatcher.waiting).toBe(6)
    for (let looks = 0; looks < 5; looks++) core.dispatcher.look()
    await stored()
    expect(core.dispatcher.waiting).toBe(0)
    expect(core.open.size).toBe(4)
  })

  test('its deliveries expire in the backlog although nothing is sent to it', async () => {
    const fixture = await deadRpFixture({
      BREAKER_COOLDOWN_MS: '3600000',
      BREAKER_MAX_COOLDOWN_MS: '3600000',
      RETRY_DEADLINE_MS: '60000',
    })
    const { attempts, backlog, breakers, clock, core, outcomes } = fixture
    const others = sessions(10, 5)
    await register(fixture, others)
    const cause = { origin: sampleOrigin(), occurredAtMs: clock.now(), everywhere: false }
    const state = { attempts: 1, doubtful: 0, deadlineMs: clock.now() + 60_000, cause }
    await backlog.park(others.map((it) => ({ ...it, rpKey: DEAD, dueMs: clock.now(), state })))
    const ended = () => outcomes().filter((it) => others.some(({ sessionId }) => sessionId === it.sessionId))
    // By far not the end of the cool-down.
    clock.nowMs += 2 * 60_000
    core.backlogLoop.start()
    try {
      await eventually(() => expect(ended()).toHaveLength(5))
    } finally {
      await core.backlogLoop.stop()
    }
    expect([attempts, breakers]).toEqual([[], ['client-1 open']])
    expect(ended().every((it) => it.reason === 'expired')).toBe(true)
  })

  test('what is parked for it ends at its own deadline, however long it wants to be left alone', async () => {
    const fixture = await deadRpFixture({
      BREAKER_COOLDOWN_MS: '3600000',
      BREAKER_MAX_COOLDOWN_MS: '3600000',
    })
    const { backlog, clock, core, outcomes } = fixture
    const [fresh, retried, later] = [sessions(10, 3), sessions(20, 3), sessions(30, 3)]
    await register(fixture, [...fresh, ...retried, ...later])
    await fixture.owe(fresh, {}, 60_000)
    await fixture.owe(later, {}, 600_000)
    await fixture.stored()
    // Taken up long ago, tried again since, and due: it waits behind the breaker.
    const cause = { origin: sampleOrigin(), occurredAtMs: clock.now(), everywhere: false }
    const state = { attempts: 1, doubtful: 0, deadlineMs: clock.now() + 60_000, cause }
    await backlog.park(retried.map((it) => ({ ...it, rpKey: DEAD, dueMs: clock.now() + 59_000, state })))
    const ended = () => outcomes().map(({ sessionId }) => String(sessionId))
    const ids = (all: typeof fresh) => all.map(({ sessionId }) => sessionId)
    clock.nowMs += 60_000
    core.backlogLoop.start()
    try {
      await eventually(() => expect(ended()).toEqual(expect.arrayContaining(ids([...fresh, ...retried]))))
    } finally {
      await core.backlogLoop.stop()
    }
    expect(ended().sort()).toEqual(ids([...fresh, ...retried]).sort())
    expect(outcomes().every(({ reason }) => reason === 'expired')).toBe(true)
  })

  test('a wall clock that is set back by hours neither keeps it unheard nor its settings as they were', async () => {
    const { attempts, clock, core, owe } = await deadRpFixture()
    const rp = core.relyingParties.byKey(DEAD)
    const readAt = rp.settingsReadAtMs
    clock.stepBack(5 * 3_600_000)
    clock.nowMs += 1_000
    await owe(sessions(10, 1))
    expect(attempts).toHaveLength(1)
    expect(rp.settingsReadAtMs).toBeGreaterThan(readAt)
  })

  test('what has expired while it waited for its turn gives the place back that it was just given', async () => {
    const { attempts, clock, core, outcomes, owe, stored } = deliveryFixture({
      env: { MAX_IN_FLIGHT_PER_RP: '1' },
    })
    await owe(sessions(0, 2), {}, 5_000)
    await owe(sessions(2, 1))
    expect(attempts).toHaveLength(1)
    clock.nowMs += 5_000
    attempts.splice(0)[0]?.answer(ok)
    await stored()
    expect(outcomes()).toHaveLength(2)
    expect(outcomes()).toContainEqual(expect.objectContaining({ reason: 'expired', attempts: 0 }))
    expect(attempts).toHaveLength(1)
    expect(core.dispatcher.inFlight).toBe(1)
  })

  test('a probe that fails gives its place to the next RP', async () => {
    // Room for one probe.
    const env = { MAX_IN_FLIGHT: '8', BREAKER_FAILURES: '1' }
    const { attempts, clock, owe, stored } = deliveryFixture({ env })
    const at = (clientId: string, sessionId: string) => [sampleRegistration({ clientId, sessionId })]
    await owe([...at('one', 'a'), ...at('two', 'a')])
    for (const attempt of attempts.splice(0)) attempt.answer(refused)
    await stored()
    clock.nowMs += 1_000
    await owe(at('one', 'b'))
    await owe(at('two', 'b'))
    expect(attempts).toHaveLength(1)
    attempts.splice(0)[0]?.answer(refused)
    await stored()
    await owe(at('two', 'c'))
    expect(attempts).toHaveLength(1)
  })

  test('a hundred of them do not fill the room with their probes', async () => {
    const { attempts, clock, owe, stored } = deliveryFixture({
      env: { MAX_IN_FLIGHT: '16', MAX_IN_FLIGHT_PER_RP: '16', BREAKER_FAILURES: '1' },
    })
    const one = (session: string) =>
      Array.from({ length: 100 }, (_, i) =>
        sampleRegistration({ sessionId: session, oidcSessionId: `${i}`, clientId: `client-${i}` }),
      )
    await owe(one('a'))
    while (attempts.length > 0) for (const attempt of attempts.splice(0)) attempt.answer(refused)
    await stored()
    clock.nowMs += 1_000
    await owe(one('b'))
    expect(attempts.length).toBeLessThan(100 / 2)
    expect(attempts.splice(0).every(({ probeTimeoutMs }) => probeTimeoutMs !== undefined)).toBe(true)
    await owe(sessions(0, 16).map((it) => ({ ...it, clientId: 'well' })))
    expect(attempts).toHaveLength(16)
  })
})

describe('deliveries that are claimed', () => {
  test('are dropped when they have been settled elsewhere: they would be claimed for ever', async () => {
    const fixture = deliveryFixture()
    const { attempts, backlog, clock, core, outcomes, owe, registry, stored } = fixture
    await register(fixture, sessions(0, 2))
    await owe(sessions(0, 2))
    for (const attempt of attempts.splice(0)) attempt.answer({ kind: 'answered', status: 400 })
    await stored()
    // As the other replica has it: with the end of the session, which remembers what is settled.
    const [one] = sessions(0, 1)
    if (one === undefined) throw new Error('there is a session')
    const { issuer, sessionId } = one
    await registry.apply([{ kind: 'end-session', issuer, sessionId, ending: sampleEnding() }])
    await registry.settle([one])
    clock.nowMs += 60_000
    core.backlogLoop.start()
    try {
      await eventually(() => expect(attempts).toHaveLength(1))
      await eventually(async () => expect(await backlog.sizes(1)).toMatchObject([{ size: 1 }]))
    } finally {
      await core.backlogLoop.stop()
    }
    expect(outcomes()).toEqual([])
  })

  test('end as invalid when their registration cannot be read any more', async () => {
    const fixture = deliveryFixture()
    const { attempts, clock, core, outcomes, owe, registry, stored } = fixture
    await register(fixture, sessions(0, 1))
    await owe(sessions(0, 1))
    attempts.splice(0)[0]?.answer({ kind: 'answered', status: 400 })
    await stored()
    // As an identity provider that writes to Redis itself may leave it.
    const find: Registry['find'] = async (keys) =>
      keys.map((key) => ({ ...key, reason: 'is not JSON', partial: {} }))
    Object.assign(registry, { find })
    clock.nowMs += 60_000
    core.backlogLoop.start()
    try {
      await eventually(() => expect(outcomes()).toMatchObject([{ reason: 'invalid' }]))
    } finally {
      await core.backlogLoop.stop()
    }
    expect(attempts).toEqual([])
  })

  test('leave intake room while outcomes cannot be published', async () => {
    const fixture = deliveryFixture({
      env: { MAX_UNSETTLED: '20', MAX_IN_FLIGHT_PER_RP: '100' },
      acknowledged: () => new Promise(() => undefined),
    })
    const { attempts, backlog, clock, core, owe, stored } = fixture
    await register(fixture, sessions(0, 60))
    await owe(sessions(0, 60))
    // Doubtful: parked, and the RP is there.
    for (const attempt of attempts.splice(0)) attempt.answer({ kind: 'answered', status: 400 })
    await stored()
    expect(await backlog.sizes(1)).toMatchObject([{ size: 60 }])
    clock.nowMs += 60_000
    core.backlogLoop.start()
    try {
      await eventually(() => expect(core.open.size).toBe(claimPlacesOf(20)))
      for (let turn = 0; turn < 30; turn++) {
        for (const attempt of attempts.splice(0)) attempt.answer(ok)
        core.backlogLoop.wake()
        await new Promise((resolve) => setImmediate(resolve))
      }
      expect(core.open.size).toBe(claimPlacesOf(20))
    } finally {
      await core.backlogLoop.stop()
    }
  })

  test('whose attempts took long are no more than that either', async () => {
    const fixture = deliveryFixture({
      env: { MAX_UNSETTLED: '20', MAX_IN_FLIGHT_PER_RP: '100' },
      acknowledged: () => new Promise(() => undefined),
    })
    const { attempts, clock, core, owe, stored } = fixture
    await register(fixture, sessions(0, 60))
    await owe(sessions(0, 60))
    for (const attempt of attempts.splice(0)) attempt.answer({ kind: 'answered', status: 400 })
    await stored()
    clock.nowMs += 60_000
    core.backlogLoop.start()
    try {
      for (let turn = 0; turn < 60; turn++) {
        // They give their place back, and are answered nevertheless.
        for (let looks = 0; looks < 10; looks++) core.dispatcher.look()
        for (const attempt of attempts.splice(0)) attempt.answer(ok)
        core.backlogLoop.wake()
        await new Promise((resolve) => setImmediate(resolve))
      }
      expect(core.settlement.size).toBe(claimPlacesOf(20))
      expect(core.open.claimPlaces).toBe(0)
    } finally {
      await core.backlogLoop.stop()
    }
  })

  test('are claimed as soon as outcomes are published, not at the next look at the backlog', async () => {
    const publishing = Promise.withResolvers<void>()
    const fixture = deliveryFixture({
      env: { MAX_UNSETTLED: '20', MAX_IN_FLIGHT_PER_RP: '100', RETRY_POLL_MS: '60000' },
      acknowledged: () => publishing.promise,
    })
    const { attempts, clock, core, outcomes, owe, stored } = fixture
    await register(fixture, sessions(0, 30))
    await owe(sessions(0, 30))
    for (const attempt of attempts.splice(0)) attempt.answer({ kind: 'answered', status: 400 })
    await stored()
    clock.nowMs += 60_000
    const answering = setInterval(() => {
      for (const attempt of attempts.splice(0)) attempt.answer(ok)
    })
    core.backlogLoop.start()
    try {
      // All that may be claimed is, and no attempt is under way: only the publishing can bring the next claim.
      await eventually(() =>
        expect([core.open.size, core.dispatcher.inFlight]).toEqual([claimPlacesOf(20), 0]),
      )
      publishing.resolve()
      await eventually(() => expect(outcomes()).toHaveLength(30))
    } finally {
      clearInterval(answering)
      await core.backlogLoop.stop()
    }
  })
})

describe('while outcomes cannot be published', () => {
  const stuck = () =>
    deliveryFixture({ env: { MAX_UNSETTLED: '20' }, acknowledged: () => new Promise(() => undefined) })

  test('those of attempts that took long take room of intake', async () => {
    const { attempts, core, owe } = stuck()
    await owe(
      Array.from({ length: 20 }, (_, i) =>
        sampleRegistration({ clientId: `client-${i}`, oidcSessionId: `o${i}` }),
      ),
    )
    for (let looks = 0; looks < 10; looks++) core.dispatcher.look()
    expect(core.open.places).toBe(20)
    for (const attempt of attempts.splice(0)) attempt.answer(ok)
    expect(core.open.places).toBe(0)
    expect(core.open.room.isOpen).toBe(false)
  })

  test('those that are decided without an attempt take room of intake', async () => {
    const { core } = stuck()
    const key = { issuer: ISSUER, sessionId: 'session-1', partial: {}, reason: 'registration: is not JSON' }
    for (let i = 0; i < 20; i++)
      core.admission.refuse({ ...key, oidcSessionId: `o${i}` }, sampleEnding(), undefined)
    expect(core.open.places).toBe(0)
    expect(core.open.room.isOpen).toBe(false)
  })
})

describe('RPs that take a quarter of a second', () => {
  test('a dozen of them with hundreds of logouts each never keep intake waiting', async () => {
    const count = 12
    const { attempts, clock, core, owe, stored } = deliveryFixture({ env: { RETRY_POLL_MS: '60000' } })
    const sent: { readonly atMs: number; readonly answer: () => void }[] = []
    let n = 0
    const owed = async (clientId: string) => {
      n++
      await owe([sampleRegistration({ clientId, sessionId: `s${n}`, oidcSessionId: `o${n}` })])
    }
    const pass = async (ms: number) => {
      clock.nowMs += ms
      for (const attempt of attempts.splice(0))
        sent.push({ atMs: clock.nowMs, answer: () => attempt.answer(ok) })
      while (sent[0] !== undefined && clock.nowMs - sent[0].atMs >= 240) sent.shift()?.answer()
      await stored()
    }
    let waits = 0
    for (let turn = 0; turn < 200; turn++) {
      // As intake hands on: a batch, as long as there is room.
      for (let i = 0; i < 3 * count && core.open.room.isOpen; i++) await owed(`slow-${i % count}`)
      // What the first answers bring is not known before them.
      if (turn > 20 && !core.open.room.isOpen) waits++
      await pass(20)
    }
    expect(waits).toBe(0)
    await owed('quick')
    expect(attempts).toHaveLength(1)
  })
})
