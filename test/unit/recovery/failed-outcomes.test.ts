import { expect, test } from 'vitest'
import { outcomeRecord } from '../../../src/delivery/outcome-record.ts'
import type { Outcome } from '../../../src/events/outcome.ts'
import type { Registration } from '../../../src/events/registration.ts'
import type { WireRecord } from '../../../src/events/wire-record.ts'
import { FailedOutcomes } from '../../../src/recovery/failed-outcomes.ts'
import { ReplayTally } from '../../../src/recovery/replay-tally.ts'
import { ISSUER, sampleOrigin, sampleRegistration } from '../sample-registration.ts'

const expired: Outcome = { kind: 'failed', reason: 'expired', attempts: 1 }
const discarded: Outcome = { kind: 'failed', reason: 'discarded', attempts: 1 }
/** When the outcomes were written. */
const WRITTEN = 1_700_000_100_000
const sent: Outcome = { kind: 'sent', jti: 'j', attempts: 1, status: 200 }
const one = sampleRegistration({ oidcSessionId: 'one' })
const two = sampleRegistration({ oidcSessionId: 'two', clientId: 'two' })

function record(offset: number, outcome: Outcome, registration: Registration): WireRecord {
  const cause = { origin: sampleOrigin(), occurredAtMs: 5, everywhere: true }
  const { value, headers } = outcomeRecord('t', outcome, registration, cause)
  return {
    topic: 't',
    partition: 0,
    offset,
    timestampMs: WRITTEN,
    key: null,
    value: Buffer.from(String(value)),
    headers,
  }
}

function owedOf(records: readonly WireRecord[], filter = {}, withDiscarded = false, nowMs = WRITTEN + 500) {
  const tally = new ReplayTally()
  const options = {
    tally,
    filter,
    isServedIssuer: (issuer: string) => issuer === ISSUER,
    isRetired: ({ clientId }: Registration) => clientId === 'retired',
    lateAfterMs: 1_000,
    withDiscarded,
  }
  const failed = new FailedOutcomes(options)
  failed.take(records, ({ offset }) => offset < 100)
  const owed = failed.owed(nowMs)
  return { tally, owed, offsets: owed.map(({ cause }) => cause.origin.offset) }
}

test('the last failure of a registration is what is delivered again, each for itself', () => {
  const { owed, offsets } = owedOf([
    record(1, expired, one),
    record(2, expired, two),
    record(3, expired, one),
  ])
  expect(offsets).toEqual([2, 3])
  expect(owed[0]).toMatchObject({ registrations: [two], cause: { occurredAtMs: 5, everywhere: false } })
})

test('what was sent before or after, also past the range, is not owed', () => {
  expect(owedOf([record(1, sent, one), record(2, expired, one)]).offsets).toEqual([])
  expect(owedOf([record(1, expired, one), record(200, sent, one)]).offsets).toEqual([])
  expect(owedOf([record(1, expired, one), record(200, expired, two)]).offsets).toEqual([1])
})

test('of a client that is retired now nothing is owed', () => {
  const { offsets, tally } = owedOf([record(1, expired, sampleRegistration({ clientId: 'retired' }))])
  expect(offsets).toEqual([])
  expect(tally.counts).toMatchObject({ read: 1, skipped: 1 })
})

test('what was discarded is not owed, nor what failed before it', () => {
  const { tally, offsets } = owedOf([
    record(1, expired, one),
    record(2, discarded, one),
    record(3, discarded, two),
  ])
  expect(offsets).toEqual([])
  expect(tally.counts).toMatchObject({ read: 3, skipped: 2 })
  expect(owedOf([record(1, expired, one), record(2, discarded, one)], {}, true).offsets).toEqual([2])
})

test('filters and issuers choose', () => {
  const foreign = sampleRegistration({ issuer: 'https://other.example' })
  const { tally, offsets } = owedOf(
    [record(1, expired, one), record(2, expired, two), record(3, expired, foreign)],
    { client: 'two' },
  )
  expect(offsets).toEqual([2])
  expect(tally.counts).toMatchObject({ read: 3, matching: 1 })
})

test('an outcome that does not tell when its session ended counts as late', () => {
  const it = record(1, expired, one)
  const { occurredAt, ...data } = JSON.parse(String(it.value))
  const { owed } = owedOf([{ ...it, value: Buffer.from(JSON.stringify(data)) }])
  expect(occurredAt).toBe(5)
  expect(owed[0]?.cause.occurredAtMs).toBe(WRITTEN - 2_000)
})

test('asked again later, what is owed is the same, and means no login that was made since', () => {
  const it = record(1, expired, one)
  const { occurredAt: _, registeredAt, ...data } = JSON.parse(String(it.value))
  const records = [{ ...it, value: Buffer.from(JSON.stringify(data)) }, record(2, expired, two)]
  const [early, late] = [owedOf(records).owed, owedOf(records, {}, false, WRITTEN + 10_000).owed]
  expect(late).toEqual(early)
  expect(early.map(({ cause }) => cause.untilMs)).toEqual([WRITTEN, registeredAt])
})

test('a login that was told hides no other one under the same ids that failed', () => {
  const later = { ...one, registeredAtMs: (one.registeredAtMs ?? 0) + 1_000 }
  const { registeredAtMs: _, ...undated } = one
  expect(owedOf([record(1, sent, one), record(2, expired, later)]).owed[0]?.registration).toEqual(later)
  expect(owedOf([record(1, expired, one), record(2, sent, later)]).owed[0]?.registration).toEqual(one)
  expect(owedOf([record(1, expired, one), record(2, discarded, later)]).offsets).toEqual([1])
  expect(owedOf([record(1, expired, one), record(2, expired, later)]).offsets).toEqual([2])
  expect(owedOf([record(1, sent, one), record(2, expired, undated)]).offsets).toEqual([])
})
