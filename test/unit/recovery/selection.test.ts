import { expect, onTestFinished, test, vi } from 'vitest'
import { outcomeRecord } from '../../../src/delivery/outcome-record.ts'
import type { Outcome } from '../../../src/events/outcome.ts'
import type { Registration } from '../../../src/events/registration.ts'
import { FollowOutcomes } from '../../../src/recovery/follow-outcomes.ts'
import { OutageBudget } from '../../../src/recovery/outage-budget.ts'
import { ParkOwed } from '../../../src/recovery/park-owed.ts'
import { ReplayTally } from '../../../src/recovery/replay-tally.ts'
import { Selection } from '../../../src/recovery/selection.ts'
import { MemoryBacklog } from '../../support/memory-backlog.ts'
import { MemoryLog } from '../../support/memory-log.ts'
import { MemoryRegistry } from '../../support/memory-registry.ts'
import { manualClock } from '../manual-clock.ts'
import { ISSUER, sampleEnding, sampleOrigin, sampleRegistration } from '../sample-registration.ts'

const OUTCOMES = 'outcomes'
const HOUR = 3_600_000
const ATTEMPT_MS = 10_000
const sent: Outcome = { kind: 'sent', jti: 'j', attempts: 1, status: 200 }
const registration = sampleRegistration()

async function site() {
  const clock = manualClock()
  const log = new MemoryLog({ [OUTCOMES]: 1 })
  log.isServed = true
  const [backlog, registry] = [new MemoryBacklog(), new MemoryRegistry()]
  const ending = sampleEnding({ deadlineMs: clock.nowMs + 1_000 })
  await registry.apply([
    { kind: 'register', registration, origin: sampleOrigin() },
    { kind: 'end-session', issuer: ISSUER, sessionId: registration.sessionId, ending },
  ])
  const [tally, outageBudget] = [new ReplayTally(), new OutageBudget()]
  const follow = new FollowOutcomes(log, OUTCOMES, tally, () => undefined)
  await follow.start()
  const told: string[] = []
  const selection = new Selection({
    tally,
    clock,
    follow,
    outageBudget,
    registry,
    attemptTimeoutMs: ATTEMPT_MS,
    deadlineMs: HOUR,
    groupId: 'g',
    lateAfterMs: HOUR,
    onNotParked: () => told.push('not parked'),
    onUnserved: () => told.push('unserved'),
    parkOwed: new ParkOwed({ backlog, clock }),
    rate: undefined,
    reader: log,
    recovery: { reopen: async (failed) => failed.map(({ deadlineMs }) => deadlineMs) },
  })
  onTestFinished(() => outageBudget.interrupt())
  const { deadlineMs, ...cause } = ending
  return {
    ...{ backlog, tally, cause, clock, deadlineMs, log, outageBudget, registry, selection, told },
    owed: { cause, registrations: [registration], broken: [] },
    publish: (it: Registration) => log.appendOutgoing(outcomeRecord(OUTCOMES, sent, it, cause), 0, 1),
  }
}

test('what nobody was told of before is due now; what a relay may have in hand, when its attempt has ended', async () => {
  const { backlog, clock, owed, selection } = await site()
  const other = sampleRegistration({ oidcSessionId: 'other' })
  await selection.take([owed, { ...owed, registrations: [other], mayBeUnderWay: true }])
  expect(backlog.parked).toMatchObject([
    { oidcSessionId: 'oidc-1', dueMs: clock.nowMs },
    { oidcSessionId: 'other', dueMs: clock.nowMs + ATTEMPT_MS + 1_000 },
  ])
  // A lease protects it until then, also from another run.
  const now = clock.nowMs + ATTEMPT_MS
  expect(await backlog.claim(`${ISSUER}|client-1`, now, now + 1, 10)).toHaveLength(1)
})

test('the deadline is that of the ending while it lasts, and the whole time from now on afterwards', async () => {
  const { backlog, clock, deadlineMs = 0, owed, selection } = await site()
  const [late, soon] = ['late', 'soon'].map((oidcSessionId) => sampleRegistration({ oidcSessionId }))
  if (late === undefined || soon === undefined) throw new Error('there are two')
  await selection.take([
    { ...owed, deadlineMs },
    { ...owed, registrations: [late], deadlineMs: clock.nowMs - 1 },
    // It expires before a relay could start.
    { ...owed, registrations: [soon], deadlineMs: clock.nowMs + ATTEMPT_MS, mayBeUnderWay: true },
  ])
  const deadlines = backlog.parked.map(({ state }) => state.deadlineMs)
  expect(deadlines).toEqual([deadlineMs, clock.nowMs + HOUR, (backlog.parked[2]?.dueMs ?? 0) + HOUR])
})

test('an outcome that was published before anybody followed is no reason to wait for one', async () => {
  const { tally, owed, registry, selection } = await site()
  await selection.take([owed])
  await registry.settle([registration])
  await selection.settle(undefined)
  expect(tally.counts).toMatchObject({ owed: 0, sent: 0, parked: 0 })
})

test('what is parked is waited for although its registration has gone without an outcome', async () => {
  const { tally, owed, publish, registry, selection } = await site()
  const lost = sampleRegistration({ oidcSessionId: 'lost' })
  await selection.take([{ ...owed, registrations: [lost] }])
  const looks = vi.spyOn(registry, 'areSettled')
  const settled = selection.settle(HOUR)
  await vi.waitUntil(() => looks.mock.calls.length > 0)
  expect(tally.counts.parked).toBe(1)
  publish(lost)
  await settled
  expect(tally.counts).toMatchObject({ owed: 1, sent: 1, parked: 0 })
})

test('without a relay it says so and ends, unless it was told how long to wait', async () => {
  const { tally, log, owed, publish, selection, told } = await site()
  log.isServed = false
  await selection.take([owed])
  await selection.settle(undefined)
  expect([told, tally.counts.parked]).toEqual([['unserved'], 1])
  const settled = selection.settle(HOUR)
  await vi.waitUntil(() => told.length === 2)
  publish(registration)
  await settled
  expect(tally.counts).toMatchObject({ sent: 1, parked: 0 })
})

test('interrupted, it parks nothing more', async () => {
  const { backlog, tally, owed, outageBudget, selection } = await site()
  outageBudget.interrupt()
  await selection.take([owed])
  await selection.settle(undefined)
  expect(backlog.parked).toEqual([])
  expect(tally.counts).toMatchObject({ owed: 1, parked: 0, open: 1 })
})
