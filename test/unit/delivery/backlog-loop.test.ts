import { expect, test, vi } from 'vitest'
import type { Registration } from '../../../src/events/registration.ts'
import { ISSUER, sampleEnding, sampleOrigin, sampleRegistration } from '../sample-registration.ts'
import { deliveryFixture } from './delivery-fixture.ts'

const registration = sampleRegistration()
const UNTIL = (registration.registeredAtMs as number) + 5_000

/** A delivery that was attempted twice and is parked, due now; `before` is done before anybody claims it. */
async function claimed(
  before: (registry: ReturnType<typeof deliveryFixture>['registry']) => Promise<unknown>,
) {
  const fixture = deliveryFixture()
  const { backlog, clock, core, registry } = fixture
  const ending = sampleEnding({ untilMs: UNTIL, deadlineMs: clock.now() + 60_000 })
  await registry.apply([
    { kind: 'register', registration, origin: sampleOrigin() },
    { kind: 'end-session', issuer: ISSUER, sessionId: 'session-1', ending },
  ])
  const { deadlineMs = 0, ...cause } = ending
  const state = { attempts: 2, doubtful: 0, deadlineMs, lastStatus: 503, lastError: 'HTTP 503', cause }
  const name = { issuer: ISSUER, sessionId: 'session-1', oidcSessionId: 'oidc-1' }
  await backlog.park([{ rpKey: `${ISSUER}|client-1`, ...name, dueMs: clock.now(), state }])
  await before(registry)
  core.backlogLoop.start()
  await vi.waitUntil(async () => fixture.attempts.length > 0 || (await backlog.sizes(1)).length === 0)
  await core.backlogLoop.stop()
  await fixture.stored()
  return fixture
}

/** As though it had expired: gone, and nobody remembers that it was settled. */
function lose(registry: ReturnType<typeof deliveryFixture>['registry'], names: readonly Registration[]) {
  registry.find = async (keys) =>
    keys.map((key) => (names.some((it) => it.oidcSessionId === key.oidcSessionId) ? undefined : registration))
}

test('a parked delivery whose registration was settled is dropped', async () => {
  const { attempts, outcomes } = await claimed((registry) => registry.settle([registration]))
  expect(attempts).toEqual([])
  expect(outcomes()).toEqual([])
})

test('a parked delivery whose registration has gone otherwise ends with an outcome', async () => {
  const { attempts, outcomes, backlog } = await claimed(async (registry) => lose(registry, [registration]))
  expect(attempts).toEqual([])
  expect(outcomes()).toMatchObject([
    {
      type: 'backchannel-logout-failed',
      reason: 'expired',
      clientId: 'client-1',
      oidcSessionId: 'oidc-1',
      attempts: 2,
      lastStatus: 503,
      trigger: { id: 'trigger-1' },
    },
  ])
  expect(await backlog.sizes(1)).toEqual([])
})

test('a parked delivery does not log out a later login under the same ids, which stays', async () => {
  const later = { ...registration, registeredAtMs: UNTIL + 1 }
  const { attempts, outcomes, registry } = await claimed((it) =>
    it.apply([{ kind: 'register', registration: later, origin: sampleOrigin() }]),
  )
  expect(attempts).toEqual([])
  expect(outcomes()).toMatchObject([{ reason: 'expired', registeredAt: UNTIL }])
  expect(await registry.find([registration])).toEqual([later])
})

test('what is under way when its records are taken away stands in the backlog under a lease until it ends', async () => {
  const fixture = deliveryFixture()
  const { attempts, backlog, clock, core, outcomes, registry } = fixture
  const other = sampleRegistration({ oidcSessionId: 'other' })
  await registry.apply(
    [registration, other].map((it) => ({ kind: 'register', registration: it, origin: sampleOrigin() })),
  )
  const creditors = await fixture.owe([registration, other])
  await core.admission.handOver()
  expect(creditors.map(({ isSettled }) => isSettled)).toEqual([true, true])
  expect(await backlog.claim(`${ISSUER}|client-1`, clock.now(), clock.now() + 1, 10)).toEqual([])
  attempts[0]?.answer({ kind: 'answered', status: 200 })
  attempts[1]?.answer({ kind: 'answered', status: 503 })
  await fixture.stored()
  expect(outcomes()).toMatchObject([{ oidcSessionId: 'oidc-1' }])
  expect(await backlog.claim(`${ISSUER}|client-1`, clock.now() + 60_000, 0, 10)).toMatchObject([
    { oidcSessionId: 'other', state: { attempts: 1 } },
  ])
  expect(await backlog.sizes(10)).toMatchObject([{ size: 1 }])
  expect(core.open.size).toBe(0)
})
