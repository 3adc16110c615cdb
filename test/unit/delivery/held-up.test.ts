import { describe, expect, test } from 'vitest'
import type { Registration } from '../../../src/events/registration.ts'
import { eventually } from '../../support/eventually.ts'
import { sampleOrigin, sampleRegistration } from '../sample-registration.ts'
import { deliveryFixture, type SentAttempt } from './delivery-fixture.ts'

const ok = { kind: 'answered', status: 200 } as const
const timedOut = {
  kind: 'unreachable',
  code: 'LR_ATTEMPT_TIMEOUT',
  message: '',
  staleConnection: false,
} as const
const PLACES = 256

const at = (clientId: string, n: number, host = clientId): Registration =>
  sampleRegistration({
    clientId,
    sessionId: `${clientId} ${n}`,
    oidcSessionId: `${clientId} ${n}`,
    backchannelLogoutUri: `https://${host}.test.example/${clientId}`,
  })
const clients = (prefix: string, count: number, host?: string) =>
  Array.from({ length: count }, (_, i) => (n: number) => at(`${prefix}-${i}`, n, host))

/** RPs whose attempts go unanswered until a test says so, beside one that answers at once. */
function siteOf({ strangers = false, env = {} }: { strangers?: boolean; env?: Record<string, string> } = {}) {
  const fixture = deliveryFixture({ strangers, env })
  const { attempts, core, owe, registry } = fixture
  const hanging: SentAttempt[] = []
  const told: string[] = []
  const answerTheWell = () => {
    for (let attempt = attempts.shift(); attempt !== undefined; attempt = attempts.shift()) {
      const name = attempt.endpoint.path.slice(1)
      if (name.startsWith('well')) {
        told.push(name)
        attempt.answer(ok)
      } else hanging.push(attempt)
    }
  }
  return {
    ...fixture,
    hanging,
    told,
    async logout(registrations: Registration[]): Promise<void> {
      const origin = sampleOrigin()
      await registry.apply(registrations.map((registration) => ({ kind: 'register', registration, origin })))
      await owe(registrations)
      answerTheWell()
    },
    look(times = 1): void {
      for (let n = 0; n < times; n++) {
        core.dispatcher.look()
        answerTheWell()
      }
    },
    async during<T>(run: () => Promise<T>): Promise<T> {
      core.backlogLoop.start()
      try {
        return await run()
      } finally {
        await core.backlogLoop.stop()
      }
    },
  }
}

describe('RPs that are well', () => {
  test.each([
    { name: 'of which each has a host of its own', host: undefined },
    { name: 'at the same host as they', host: 'shared' },
  ])('wait for no more than a few looks when five hundred hang at once, $name', async ({ host }) => {
    const site = siteOf({ env: { RETRY_POLL_MS: '10' } })
    const hung = clients('hung', 500, host)
    for (const session of [1, 2, 3, 4]) await site.logout(hung.map((rp) => rp(session)))
    await site.logout([at('well', 1, host)])
    site.look(3 * 5)
    await site.stored()
    expect(site.core.dispatcher.taken.attemptPlaces).toBeLessThan(PLACES)
    await site.during(async () => {
      for (let n = 10; n < 30; n++) await site.logout([at('well', n, host)])
      await eventually(
        () => {
          site.look()
          expect(site.told).toHaveLength(21)
        },
        { interval: 5 },
      )
    })
    expect(site.hanging.length).toBeGreaterThanOrEqual(500)
    expect(site.core.open.room.isOpen).toBe(true)
  })

  test('wait for nobody when RPs that were never heard of hang, however many', async () => {
    const site = siteOf({ strangers: true })
    site.core.relyingParties.get(at('well', 0).issuer, 'well').standing.ended(0, 5)
    for (const session of [1, 2, 3, 4]) await site.logout(clients('hung', 2_000).map((rp) => rp(session)))
    await site.logout([at('well', 1)])
    expect(site.told).toEqual(['well'])
  })

  test('are not without sockets, however many hang: those are bounded', async () => {
    const site = siteOf({ strangers: true })
    for (let n = 0; n < 10; n++) {
      await site.logout(clients(`hung-${n}`, 200).map((rp) => rp(1)))
      site.look(5)
    }
    expect(site.core.dispatcher.taken).toMatchObject({ attemptPlaces: 0, lingering: 3 * PLACES })
  })

  test('wait for nobody when all places of slow RPs are taken', async () => {
    const site = siteOf()
    const slow = clients('slow', 200)
    await site.logout(slow.map((rp) => rp(0)))
    site.look(10)
    for (let n = 0; n < 4; n++) {
      for (const attempt of site.hanging.splice(0)) attempt.answer(ok)
      await site.logout(slow.map((rp) => rp(n + 1)))
      site.look(10)
    }
    // They do not start together: each look lets a part of them.
    for (let n = 10; n < 15; n++) {
      const before = site.core.dispatcher.taken.unproven
      await site.logout(slow.map((rp) => rp(n)))
      expect(site.core.dispatcher.taken.unproven - before).toBeLessThanOrEqual(26)
      if (n < 14) site.look()
    }
    const { attemptPlaces, unproven, waiting } = site.core.dispatcher.taken
    expect({ attemptPlaces, unproven, waiting }).toEqual({
      attemptPlaces: PLACES / 2,
      unproven: PLACES / 2,
      waiting: 0,
    })
    await site.logout([at('well', 1)])
    expect(site.told).toEqual(['well'])
  })
})

test('a machine on which all attempts take long, as they do when it is busy, has no RPs that are slow', async () => {
  const site = siteOf()
  const rps = clients('rp', 50)
  for (let looks = 0; looks < 12; looks++) {
    for (let n = 0; n < 4; n++) await site.logout(rps.map((rp) => rp(4 * looks + n)))
    site.look(looks)
    for (let attempt = site.hanging.shift(); attempt !== undefined; attempt = site.hanging.shift()) {
      attempt.answer(ok)
      site.hanging.push(...site.attempts.splice(0))
    }
  }
  expect([...site.core.relyingParties].filter(({ standing }) => standing.kind !== 'quick')).toEqual([])
  expect(await site.backlog.sizes(1)).toEqual([])
})

describe('an RP that is slow', () => {
  test('has all its attempts under way all the same, and what waits for them is parked', async () => {
    const site = siteOf({ strangers: true, env: { RETRY_POLL_MS: '10' } })
    const [slow] = clients('slow', 1)
    if (slow === undefined) throw new Error('there is one')
    await site.logout([slow(0)])
    site.look(40)
    site.hanging.shift()?.answer(ok)
    await site.logout(Array.from({ length: 40 }, (_, n) => slow(n + 1)))
    await site.stored()
    expect([site.hanging.length, site.core.open.size]).toEqual([8, 8])
    await site.during(async () => {
      await eventually(
        () => {
          site.look()
          for (const attempt of site.hanging.splice(0)) attempt.answer(ok)
          expect(site.outcomes()).toHaveLength(41)
        },
        { interval: 5 },
      )
    })
  })
})

describe('a host behind which everything hangs', () => {
  test('is asked by a few of its clients at a time, however many it has', async () => {
    const site = siteOf()
    const tenants = clients('tenant', 2_000, 'shared')
    await site.logout(tenants.map((rp) => rp(1)))
    site.look(10)
    await site.stored()
    const atFirst = site.hanging.length
    expect(atFirst).toBeLessThanOrEqual(PLACES + 8)
    for (const session of [2, 3, 4]) await site.logout(tenants.map((rp) => rp(session)))
    expect(site.hanging.length - atFirst).toBeLessThanOrEqual(8)
    await site.stored()
    expect(site.core.dispatcher.waiting).toBe(0)
  })

  test('and that one of them answers in between is not taken for hanging', async () => {
    const site = siteOf()
    await site.logout([at('well', 0, 'shared')])
    await site.logout(clients('hung', 40, 'shared').map((rp) => rp(1)))
    site.look(4)
    await site.logout([at('well', 1, 'shared')])
    site.look()
    await site.logout([2, 3, 4, 5].map((n) => at('well', n, 'shared')))
    expect(site.told).toHaveLength(6)
  })

  test('that answers again is asked by all of them at once', async () => {
    const site = siteOf()
    const tenants = clients('tenant', 100, 'shared')
    await site.logout(tenants.map((rp) => rp(1)))
    site.look(10)
    for (const attempt of site.hanging.splice(0)) attempt.answer(timedOut)
    await site.logout([at('well', 1, 'shared')])
    expect(site.told).toEqual(['well'])
    await site.logout(clients('other', 100, 'shared').map((rp) => rp(1)))
    expect(site.hanging).toHaveLength(100)
  })

  test('that is well serves thousands of clients, none of them parked', async () => {
    const site = siteOf({ strangers: true })
    await site.logout([at('well', 0, 'shared')])
    await site.logout(clients('well', 2_000, 'shared').map((rp) => rp(1)))
    expect(site.told).toHaveLength(2_001)
    expect(await site.backlog.sizes(1)).toEqual([])
  })
})

describe('an attempt that was not begun, for want of something here', () => {
  test('is no attempt, and moves no breaker; it is begun again soon', async () => {
    const { attempts, backlog, breakers, clock, core, owe, outcomes, reports, stored } = deliveryFixture({
      env: { BREAKER_FAILURES: '1', RETRY_MAX_ATTEMPTS: '1' },
    })
    await owe([at('rp', 1)])
    attempts.shift()?.answer({ kind: 'unreachable', code: 'EMFILE', message: '', staleConnection: false })
    await stored()
    expect(breakers).toEqual([])
    expect(reports).toMatchObject([{ verdict: 'local', next: { retryDueMs: clock.nowMs + 1_000 } }])
    const claimed = await backlog.claim(`${at('rp', 1).issuer}|rp`, clock.nowMs + 1_500, clock.nowMs, 10)
    expect(claimed).toMatchObject([{ state: { attempts: 0 } }])
    expect([outcomes(), core.dispatcher.inFlight]).toEqual([[], 0])
  })
})
