import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { AttemptResult } from '../../../src/egress/sender.ts'
import type { Registration } from '../../../src/events/registration.ts'
import { sampleOrigin, sampleRegistration } from '../sample-registration.ts'
import { claimPlacesOf, deliveryFixture, type SentAttempt } from './delivery-fixture.ts'

const ok = { kind: 'answered', status: 200 } as const
const unreachable = (code: string) =>
  ({ kind: 'unreachable', code, message: '', staleConnection: false }) as const
const timedOut = unreachable('LR_ATTEMPT_TIMEOUT')
const refused = unreachable('ECONNREFUSED')
const unavailable = { kind: 'answered', status: 503 } as const

const COOLDOWN_MS_MAX = 8_000
const ATTEMPT_TIMEOUT_MS = 10_000
const TICK_MS = 50

beforeEach(
  () =>
    void vi.useFakeTimers({
      toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'setImmediate'],
    }),
)
afterEach(() => void vi.useRealTimers())

const hangs = 'hangs' as const
type Answer = AttemptResult | typeof hangs

/** A whole delivery in its own time, at RPs that answer as `answerOf` says in the moment of asking. */
function network(answerOf: (clientId: string) => Answer, env: Record<string, string> = {}) {
  const fixture = deliveryFixture({ env: { RETRY_POLL_MS: '100', ...env } })
  const attemptTimeoutMs = Number(env.ATTEMPT_TIMEOUT_MS ?? ATTEMPT_TIMEOUT_MS)
  const { attempts, clock, core, registry, owe } = fixture
  const hanging = new Map<SentAttempt, number>()
  const asked: { clientId: string; atMs: number; probeTimeoutMs: number | undefined }[] = []
  const startedAtMs = clock.nowMs
  const now = () => clock.nowMs - startedAtMs
  const answer = () => {
    // What is answered makes room for more.
    for (let attempt = attempts.shift(); attempt !== undefined; attempt = attempts.shift()) {
      const clientId = new URL(attempt.endpoint.origin).hostname
      asked.push({ clientId, atMs: now(), probeTimeoutMs: attempt.probeTimeoutMs })
      const result = answerOf(clientId)
      if (result === hangs) hanging.set(attempt, now() + (attempt.probeTimeoutMs ?? attemptTimeoutMs))
      else attempt.answer(result)
    }
    for (const [attempt, endsAtMs] of hanging) {
      if (endsAtMs > now()) continue
      hanging.delete(attempt)
      attempt.answer(timedOut)
    }
  }
  return {
    ...fixture,
    asked,
    attemptTimeoutMs,
    now,
    /** Logs out so many sessions at each of the RPs. */
    async logout(clientIds: readonly string[], session: string): Promise<void> {
      const registrations = clientIds.map((clientId) => registrationAt(clientId, session))
      const origin = sampleOrigin()
      await registry.apply(registrations.map((registration) => ({ kind: 'register', registration, origin })))
      await owe(registrations)
      answer()
    },
    async pass(ms: number, tickMs = TICK_MS): Promise<void> {
      for (const endsAtMs = clock.nowMs + ms; clock.nowMs < endsAtMs; ) {
        clock.nowMs += tickMs
        await vi.advanceTimersByTimeAsync(tickMs)
        answer()
      }
    },
    async during<T>(run: () => Promise<T>): Promise<T> {
      core.backlogLoop.start()
      try {
        return await run()
      } finally {
        const stopped = core.backlogLoop.stop()
        await vi.advanceTimersByTimeAsync(TICK_MS)
        await stopped
      }
    },
  }
}

function registrationAt(clientId: string, sessionId: string): Registration {
  return sampleRegistration({
    clientId,
    sessionId,
    oidcSessionId: `${sessionId} at ${clientId}`,
    backchannelLogoutUri: `https://${clientId}/`,
  })
}

const names = (prefix: string, count: number) => Array.from({ length: count }, (_, i) => `${prefix}-${i}`)

describe('an RP that is well again', () => {
  test.each([
    { hung: 50, before: refused, env: {} },
    { hung: 200, before: refused, env: {} },
    { hung: 200, before: hangs, env: {} },
    { hung: 1_000, before: refused, env: {} },
    { hung: 1_000, before: hangs, env: {} },
    { hung: 200, before: refused, env: { MAX_IN_FLIGHT: '8', MAX_UNSETTLED: '20' } },
    { hung: 200, before: hangs, env: { ATTEMPT_TIMEOUT_MS: '60000', RETRY_LEASE_MS: '90000' } },
  ])('is told within a cool-down although $hung others hang ($env)', async ({ hung, before, env }) => {
    let isBack = false
    const hungRps = names('hung', hung)
    let opening = true
    const site = network(
      (clientId) => {
        if (clientId === 'well' && !opening) return isBack ? ok : before
        return opening ? timedOut : hangs
      },
      { BREAKER_FAILURES: '1', RETRY_BASE_DELAY_MS: '60000', ...env },
    )
    await site.during(async () => {
      // The hung ones stand before it with what is due, and there is more for them all the time.
      for (const session of ['a', 'b', 'c']) await site.logout(hungRps, session)
      await site.pass(500)
      await site.logout(['well'], 'a')
      await site.logout(['well'], 'b')
      opening = false
      for (let n = 0; n < 20; n++) {
        await site.pass(1_000)
        await site.logout(hungRps.slice(0, 50), `later-${n}`)
      }
      isBack = true
      const backAtMs = site.now()
      await site.pass(COOLDOWN_MS_MAX + 2_000)
      const heard = site.asked.filter(({ clientId, atMs }) => clientId === 'well' && atMs > backAtMs)
      expect(heard).not.toEqual([])
      // One of them may be the attempt that it has let hang.
      await site.pass(site.attemptTimeoutMs)
      expect(site.outcomes()).toMatchObject([{ clientId: 'well' }, { clientId: 'well' }])
    })
  })

  test('hears although its own attempts from before the breaker opened still hang', async () => {
    let isBack = false
    const site = network(() => (isBack ? ok : hangs), { ATTEMPT_TIMEOUT_MS: '10000', BREAKER_FAILURES: '1' })
    await site.during(async () => {
      await site.logout(['rp'], 'a')
      await site.pass(5_000)
      for (const session of names('later', 7)) await site.logout(['rp'], session)
      await site.pass(5_000)
      expect(site.breakers).toEqual(['rp open'])
      isBack = true
      await site.pass(1_500)
      expect(site.breakers).toEqual(['rp open', 'rp closed'])
    })
  })

  test('hears although more deliveries are claimed than there are places for, at RPs that hang', async () => {
    const doubtful = { kind: 'answered', status: 400 } as const
    let isBack = false
    let hang = false
    const site = network(
      (clientId) => {
        if (clientId === 'well') return isBack ? ok : refused
        return hang ? hangs : doubtful
      },
      {
        ATTEMPT_TIMEOUT_MS: '60000',
        RETRY_LEASE_MS: '90000',
        RETRY_DOUBTFUL_DELAYS_MS: '1000',
        MAX_UNSETTLED: '8',
        BREAKER_FAILURES: '1',
      },
    )
    await site.during(async () => {
      await site.logout(names('other', 8), 'a')
      await site.logout(['well'], 'a')
      hang = true
      await site.pass(5_000)
      // Those keep no place of what may be claimed.
      expect([site.core.open.claimPlaces, site.breakers]).toEqual([
        claimPlacesOf(8),
        expect.not.arrayContaining(['other-0 open']),
      ])
      isBack = true
      await site.pass(COOLDOWN_MS_MAX + 2_000)
      expect(site.breakers.at(-1)).toBe('well closed')
    })
  })

  test('hears although its only delivery has a long back-off of its own, and that is not spent by probes', async () => {
    let isBack = false
    const site = network(() => (isBack ? ok : refused), {
      BREAKER_FAILURES: '1',
      RETRY_BASE_DELAY_MS: '300000',
      RETRY_MAX_ATTEMPTS: '10',
    })
    await site.during(async () => {
      await site.logout(['rp'], 'a')
      await site.pass(10 * 60_000)
      expect(site.asked.length).toBeGreaterThan(10)
      isBack = true
      await site.pass(COOLDOWN_MS_MAX + 2_000)
      expect(site.outcomes()).toMatchObject([{ type: 'backchannel-logout-sent' }])
    })
  })

  test('after two hours hears of everything, with the limits that nobody has set', async () => {
    let isBack = false
    const site = network(() => (isBack ? ok : refused))
    await site.during(async () => {
      for (const session of names('before', 20)) await site.logout(['rp'], session)
      await site.pass(2 * 3_600_000, 2_000)
      expect(site.outcomes()).toEqual([])
      isBack = true
      await site.pass(COOLDOWN_MS_MAX + 5_000)
      expect(site.outcomes().map(({ type }) => type)).toEqual(Array(20).fill('backchannel-logout-sent'))
    })
  })

  test('that says when it will be is not probed before, neither by that delivery nor by others', async () => {
    const site = network(() => ({ kind: 'answered', status: 503, retryAfter: '60' }), {
      BREAKER_FAILURES: '1',
    })
    await site.during(async () => {
      await site.logout(['rp'], 'a')
      for (const session of names('more', 5)) await site.logout(['rp'], session)
      await site.pass(59_000)
      expect(site.asked).toHaveLength(1)
      await site.pass(2_000)
      expect(site.asked).toHaveLength(2)
    })
  })
})

describe('a probe', () => {
  test('of an RP that hangs has a short time-out, each further one a longer, and every fourth the whole one', async () => {
    const site = network(() => hangs, { BREAKER_FAILURES: '1' })
    await site.during(async () => {
      await site.logout(['rp'], 'a')
      await site.pass(120_000)
    })
    const [first, ...probes] = site.asked.map(({ probeTimeoutMs }) => probeTimeoutMs)
    expect(first).toBeUndefined()
    expect(probes.slice(0, 8)).toEqual([1_500, 3_000, 6_000, 10_000, 1_500, 3_000, 6_000, 10_000])
  })

  test.each([unavailable, refused])(
    'of an RP that failed at once is not cut off when it is back but slow',
    async (before) => {
      let isBack = false
      const site = network(() => (isBack ? hangs : before), { BREAKER_FAILURES: '1' })
      await site.during(async () => {
        await site.logout(['rp'], 'a')
        await site.pass(20_000)
        isBack = true
        const backAtMs = site.now()
        await site.pass(COOLDOWN_MS_MAX)
        const first = site.asked.find(({ atMs }) => atMs > backAtMs)
        expect(first?.probeTimeoutMs).toBe(ATTEMPT_TIMEOUT_MS)
      })
    },
  )

  test('of an RP that answers slowly closes its breaker all the same', async () => {
    const site = network(() => hangs, { BREAKER_FAILURES: '1' })
    await site.during(async () => {
      await site.logout(['rp'], 'a')
      await site.pass(ATTEMPT_TIMEOUT_MS + 25)
      // From now on it answers after five seconds, which only the whole time-out gives it.
      const slow = setInterval(() => undefined, 1_000)
      for (let n = 0; n < 6 && site.breakers.at(-1) !== 'rp closed'; n++) {
        await site.pass(5_000)
        for (const attempt of site.unanswered) {
          if ((attempt.probeTimeoutMs ?? 0) > 5_000) attempt.answer(ok)
        }
        await site.pass(5_000)
      }
      clearInterval(slow)
      expect(site.breakers.at(-1)).toBe('rp closed')
    })
  })

  test('takes no place of an attempt, and gives its own back when it takes long', async () => {
    const site = network((clientId) => (clientId.startsWith('open') ? timedOut : hangs), {
      BREAKER_FAILURES: '1',
      MAX_IN_FLIGHT: '16',
      MAX_UNSETTLED: '16',
    })
    await site.during(async () => {
      await site.logout(names('hung', 40), 'a')
      await site.pass(4 * ATTEMPT_TIMEOUT_MS)
      const { probes, probePlaces, attemptPlaces } = site.core.dispatcher.taken
      expect({ attemptPlaces, hasRoom: site.core.open.room.isOpen }).toEqual({
        attemptPlaces: 0,
        hasRoom: true,
      })
      expect(probes).toBeGreaterThanOrEqual(probePlaces)
      expect(site.core.open.claimPlaces).toBe(claimPlacesOf(16))
    })
  })
})
