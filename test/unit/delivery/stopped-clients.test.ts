import { expect, test, vi } from 'vitest'
import type { ClientState } from '../../../src/events/client.ts'
import type { Registration } from '../../../src/events/registration.ts'
import { ISSUER, sampleEnding, sampleOrigin, sampleRegistration } from '../sample-registration.ts'
import { deliveryFixture } from './delivery-fixture.ts'

const RP = `${ISSUER}|client-1`
const HOUR = 3_600_000
const FAILED = { kind: 'answered', status: 503 } as const

type Fixture = ReturnType<typeof deliveryFixture>

const change = ({ clock, states }: Fixture, state: ClientState) =>
  states.add(RP, [{ atMs: clock.nowMs, state }])

async function owed(fixture: Fixture, ...oidcSessionIds: string[]): Promise<Registration[]> {
  const registrations = oidcSessionIds.map((oidcSessionId) => sampleRegistration({ oidcSessionId }))
  await fixture.registry.apply([
    ...registrations.map((registration) => ({
      ...{ kind: 'register' as const, registration, origin: sampleOrigin() },
    })),
    { kind: 'end-session', issuer: ISSUER, sessionId: 'session-1', ending: sampleEnding() },
  ])
  await fixture.owe(registrations)
  return registrations
}

/** Resolves when everything that is due was looked at: another RP, due since, has been told. */
async function looked(fixture: Fixture): Promise<void> {
  const { attempts, backlog, clock, core, registry } = fixture
  const id = `other-${clock.nowMs}`
  const registration = sampleRegistration({ clientId: id, sessionId: id })
  const ending = sampleEnding()
  const { issuer, sessionId, oidcSessionId } = registration
  await registry.apply([
    { kind: 'register', registration, origin: sampleOrigin() },
    { kind: 'end-session', issuer, sessionId, ending },
  ])
  const state = { attempts: 0, doubtful: 0, deadlineMs: clock.nowMs + HOUR, cause: ending }
  await backlog.park([
    { rpKey: `${issuer}|${id}`, issuer, sessionId, oidcSessionId, dueMs: clock.nowMs, state },
  ])
  core.backlogLoop.start()
  await vi.waitUntil(() => attempts.some(({ body }) => String(body).includes(id)))
  attempts.find(({ body }) => String(body).includes(id))?.answer({ kind: 'answered', status: 200 })
}

const isOther = (it: { clientId?: unknown }) => String(it.clientId).startsWith('other-')

test('a paused client gets nothing, its deadline stands still, and it gets all of the rest when it goes on', async () => {
  const fixture = deliveryFixture()
  const { attempts, backlog, clock, outcomes, stored } = fixture
  await owed(fixture, 'before')
  attempts.pop()?.answer(FAILED)
  await stored()
  clock.nowMs += HOUR / 2
  change(fixture, 'paused')
  await owed(fixture, 'during')
  await stored()
  expect(await backlog.sizes(1)).toMatchObject([{ rpKey: RP, size: 2 }])
  clock.nowMs += 24 * HOUR
  await looked(fixture)
  await stored()
  expect(attempts.filter(({ body }) => !String(body).includes('other-'))).toEqual([])
  expect(outcomes().filter((it) => !isOther(it))).toEqual([])
  expect(await backlog.sizes(1)).toMatchObject([{ rpKey: RP, size: 2 }])

  change(fixture, 'active')
  // The half of an hour that the first had left when its client was paused.
  clock.nowMs += HOUR / 2 - 1_000
  attempts.length = 0
  await vi.waitUntil(() => attempts.length === 2)
  for (const attempt of attempts.splice(0)) attempt.answer({ kind: 'answered', status: 200 })
  await stored()
  expect(
    outcomes()
      .filter((it) => !isOther(it))
      .map(({ attempts: made, type }) => [type, made]),
  ).toEqual(
    expect.arrayContaining([
      ['backchannel-logout-sent', 2],
      ['backchannel-logout-sent', 1],
    ]),
  )
  await fixture.core.backlogLoop.stop()
})

test('a deadline comes nearer again when the client goes on', async () => {
  const fixture = deliveryFixture()
  const { clock, outcomes, stored } = fixture
  change(fixture, 'paused')
  await owed(fixture, 'one')
  await stored()
  clock.nowMs += 5 * HOUR
  change(fixture, 'active')
  clock.nowMs += 24 * HOUR + 1
  await looked(fixture)
  await vi.waitUntil(() => outcomes().some((it) => !isOther(it)))
  expect(outcomes().filter((it) => !isOther(it))).toMatchObject([{ reason: 'expired', attempts: 0 }])
  await fixture.core.backlogLoop.stop()
})

test('what waits for an attempt, or fails, while its client is paused is parked', async () => {
  const fixture = deliveryFixture({ env: { MAX_IN_FLIGHT_PER_RP: '1' } })
  const { attempts, backlog, reports, stored } = fixture
  await owed(fixture, 'sent', 'waiting')
  expect(attempts).toHaveLength(1)
  change(fixture, 'paused')
  attempts[0]?.answer(FAILED)
  await stored()
  expect([attempts.length, reports.length]).toEqual([1, 1])
  expect(await backlog.sizes(1)).toMatchObject([{ size: 2 }])
})

test('what is owed to a retired client ends at once, parked or triggered, whatever its breaker says', async () => {
  const fixture = deliveryFixture({ env: { BREAKER_FAILURES: '1', BREAKER_COOLDOWN_MS: '60000' } })
  const { attempts, breakers, outcomes, stored } = fixture
  await owed(fixture, 'parked')
  attempts.pop()?.answer(FAILED)
  await stored()
  expect(breakers).toEqual(['client-1 open'])
  change(fixture, 'retired')
  await owed(fixture, 'triggered')
  fixture.clock.nowMs += 60_000
  await looked(fixture)
  await vi.waitUntil(() => outcomes().filter((it) => !isOther(it)).length === 2)
  const ended = outcomes().filter((it) => !isOther(it))
  expect(new Set(ended.map(({ oidcSessionId, reason }) => `${oidcSessionId}: ${reason}`))).toEqual(
    new Set(['parked: retired', 'triggered: retired']),
  )
  expect(ended.find(({ oidcSessionId }) => oidcSessionId === 'parked')).toMatchObject({
    attempts: 1,
    lastError: expect.stringContaining('HTTP 503'),
  })
  await fixture.core.backlogLoop.stop()
})
