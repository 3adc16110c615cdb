import { expect, test } from 'vitest'
import { outcomeRecord } from '../../../src/delivery/outcome-record.ts'
import { readFailedOutcome } from '../../../src/events/failed-outcome.ts'
import type { Outcome } from '../../../src/events/outcome.ts'
import type { WireRecord } from '../../../src/events/wire-record.ts'
import { sampleRegistration } from '../sample-registration.ts'

const origin = { id: 'trigger-1', topic: 'session-events', partition: 2, offset: 7 }
const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`
const cause = { origin, occurredAtMs: 1_700_000_000_000, everywhere: true, traceparent }
const failed: Outcome = { kind: 'failed', reason: 'exhausted', attempts: 3, lastStatus: 503 }

function written(outcome: Outcome, registration: Parameters<typeof outcomeRecord>[2]): WireRecord {
  const { key, value, headers } = outcomeRecord('session-events', outcome, registration, cause)
  const bytes = Buffer.from(value as string)
  return {
    topic: 'session-events',
    partition: 2,
    offset: 9,
    timestampMs: 0,
    key: Buffer.from(key as string),
    value: bytes,
    headers,
  }
}

test('a failed outcome holds everything that is needed to deliver it again', () => {
  const registration = sampleRegistration({
    alg: 'ES256',
    typ: 'JWT',
    claims: 'sid',
    sessionRequired: true,
    registeredAtMs: 5,
  })
  const record = written(failed, registration)
  expect(readFailedOutcome(record)).toEqual({
    kind: 'failed',
    registration,
    reason: 'exhausted',
    isDiscarded: false,
    origin: { id: record.headers.ce_id, topic: 'session-events', partition: 2, offset: 9 },
    occurredAtMs: cause.occurredAtMs,
    trace: { traceparent },
  })
})

test('what an operator gave up is told apart', () => {
  const discarded: Outcome = { kind: 'failed', reason: 'discarded', attempts: 1 }
  expect(readFailedOutcome(written(discarded, sampleRegistration()))).toMatchObject({
    kind: 'failed',
    isDiscarded: true,
  })
})

test('one whose registration was unusable is told apart, and nothing else is a failed outcome', () => {
  const { issuer, sessionId, oidcSessionId } = sampleRegistration()
  expect(readFailedOutcome(written(failed, { issuer, sessionId, oidcSessionId }))).toEqual({
    kind: 'unusable',
  })
  expect(readFailedOutcome({ ...written(failed, sampleRegistration()), value: Buffer.from('{') })).toEqual({
    kind: 'unusable',
  })
  const sent = { kind: 'sent', jti: 'j', attempts: 1, status: 200 } as const
  expect(readFailedOutcome(written(sent, sampleRegistration()))).toBeUndefined()
})
