import { expect, test, vi } from 'vitest'
import { unattempted } from '../../../src/delivery/backlog.ts'
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
  const sourceRecords = await fixture.owe([registration, other])
  await core.admission.handOver()
  expect(sourceRecords.map(({ isSettled }) => isSettled)).toEqual([true, true])
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

test('a parked delivery whose registration cannot be read ends once, as invalid, and leaves the backlog with that', async () => {
  const broken = { issuer: ISSUER, sessionId: 'session-1', oidcSessionId: 'oidc-1', reason: 'no JSON' }
  const { attempts, backlog, outcomes } = await claimed(async (registry) => {
    registry.find = async (keys) => keys.map(() => ({ ...broken, partial: {} }) as never)
  })
  expect(attempts).toEqual([])
  expect(outcomes()).toMatchObject([{ reason: 'invalid', oidcSessionId: 'oidc-1' }])
  expect(backlog.parked).toEqual([])
})

test('what is parked for an issuer that is not served here stays parked, also past its deadline', async () => {
  const fixture = deliveryFixture()
  const { backlog, clock, core, outcomes, registry } = fixture
  const foreign = sampleRegistration({ issuer: 'https://other.example' })
  await registry.apply(
    [registration, foreign].map((it) => ({ kind: 'register', registration: it, origin: sampleOrigin() })),
  )
  const parked = [foreign, registration].map((it, i) => {
    const cause = { origin: sampleOrigin(), occurredAtMs: clock.now(), everywhere: false }
    const deadlineMs = clock.now() + (i === 0 ? -1 : 60_000)
    return unattempted({ registration: it, cause, deadlineMs }, clock.now() - 1 + i)
  })
  await backlog.park(parked)
  core.backlogLoop.start()
  await vi.waitUntil(() => fixture.attempts.length > 0)
  await core.backlogLoop.stop()
  expect(backlog.parked[0]).toEqual(parked[0])
  expect(outcomes()).toEqual([])
})
