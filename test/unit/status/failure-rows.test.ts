import { expect, test } from 'vitest'
import { failureReasons } from '../../../src/events/outcome.ts'
import { type FailureContext, failureRows } from '../../../src/status/failure-rows.ts'
import { RecentFailures } from '../../../src/status/recent-failures.ts'
import { manualClock } from '../manual-clock.ts'
import { ISSUER, sampleRegistration } from '../sample-registration.ts'

const MINUTE = 60_000
const registration = sampleRegistration({ clientId: 'shop' })

function create() {
  const clock = manualClock(MINUTE)
  const failures = new RecentFailures(clock)
  const rows = (context: Partial<FailureContext> = {}) =>
    failureRows(failures.list, { nowMs: clock.nowMs, showsIssuer: false, signs: new Set(), ...context })
  return { clock, failures, rows }
}

test('every reason stands with its remedy, and with the issuer where there are several', () => {
  const { failures, rows } = create()
  for (const reason of failureReasons) failures.failed({ kind: 'failed', reason, attempts: 1 }, registration)
  expect(rows()).toHaveLength(failureReasons.length)
  for (const row of rows()) expect(row.remedy).toMatch(/\w/)
  expect(rows()[0]).not.toHaveProperty('issuer')
  expect(rows({ showsIssuer: true })[0]?.issuer).toBe(ISSUER)
})

test('a failed delivery is over when its RP has accepted one since, and leaves a while later', () => {
  const { clock, failures, rows } = create()
  const rejected = { kind: 'failed', reason: 'rejected', attempts: 1 } as const
  failures.failed(rejected, registration)
  failures.failed(rejected, { ...registration, issuer: 'https://other.example' })
  failures.failed({ ...rejected, reason: 'invalid' }, registration)
  expect(failures.isAnyTroubled).toBe(true)
  failures.accepted(`${ISSUER}|shop`)
  // An invalid registration does not become valid by another logout.
  expect(rows().map(({ isOver }) => isOver)).toEqual([false, false, true])
  clock.nowMs += 16 * MINUTE
  expect(rows().map(({ why }) => why)).toEqual(['invalid', 'rejected'])
  failures.failed(rejected, registration)
  expect(rows()[0]).toMatchObject({ count: 2, isOver: false })
})

test.each([
  ['redis', 'parking'],
  ['kafka-publish', 'outcomes'],
  ['kafka-stalled', 'kafka'],
  ['rebuild', 'registry'],
  ['checks-topics', 'checks-topics'],
  ['signing-keys', 'keys-file'],
])('a fault of %s is over when %s works again and it has not been met for a while', (part, sign) => {
  const { clock, failures, rows } = create()
  failures.fault(part, new Error('away'))
  expect(rows()[0]?.isOver).toBe(false)
  clock.nowMs += MINUTE
  expect(rows({ signs: new Set([sign]) })[0]?.isOver).toBe(false)
  expect(rows()[0]?.isOver).toBe(true)
  clock.nowMs += 16 * MINUTE
  expect(rows()).toEqual([])
})

test('dead letters do not end by themselves', () => {
  const { clock, failures, rows } = create()
  failures.poisoned({ topic: 't', partition: 0 } as never, 'unknown', 'no JSON')
  clock.nowMs += 60 * MINUTE
  expect(rows()).toMatchObject([{ kind: 'dead-letter', isOver: false }])
})
