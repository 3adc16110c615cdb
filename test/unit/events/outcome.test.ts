import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { outcomeRecord } from '../../../src/delivery/outcome-record.ts'
import { readFailedOutcome } from '../../../src/events/failed-outcome.ts'
import { isOutcome, type Outcome, outcomeData, outcomeId, readOutcome } from '../../../src/events/outcome.ts'
import { readOutcomeDetails } from '../../../src/events/read-outcome-details.ts'
import { readRegistration } from '../../../src/events/read-registration.ts'
import type { WireHeaders } from '../../../src/events/wire-record.ts'
import { ISSUER, sampleOrigin, sampleRegistration } from '../sample-registration.ts'
import { RECORD_TIME_MS, wireRecord } from './wire-records.ts'

const sent: Outcome = { kind: 'sent', jti: 'j', attempts: 2, status: 200 }
const failed: Outcome = {
  kind: 'failed',
  reason: 'rejected',
  attempts: 3,
  jti: 'j',
  lastStatus: 400,
  lastError: 'HTTP 400',
}
const TRACEPARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'

describe('outcome id', () => {
  test('depends on the trigger and the registration, and on nothing else', () => {
    const id = outcomeId(sampleOrigin(), sampleRegistration())
    expect(id).toMatch(/^[\w-]{20,}$/)
    const sameRegistration = sampleRegistration({ clientId: 'x', sub: 'y', typ: 'JWT', registeredAtMs: 1 })
    expect(outcomeId(sampleOrigin({ topic: 't', partition: 9, offset: 1 }), sameRegistration)).toBe(id)
  })

  const text = fc.string({ unit: fc.constantFrom('a', 'b', '|', ' '), minLength: 1, maxLength: 4 })
  const pair = fc.tuple(text, text, text, text)
  const idOf = ([id = '', issuer = '', sessionId = '', oidcSessionId = '']: readonly string[]) =>
    outcomeId(sampleOrigin({ id }), { issuer, sessionId, oidcSessionId })

  test('is another one when any single part of trigger or registration is', () => {
    fc.assert(
      fc.property(pair, text, (parts, other) => {
        for (const [i, part] of parts.entries()) {
          expect(idOf(parts.with(i, other)) === idOf(parts)).toBe(part === other)
        }
      }),
    )
  })

  test('is another one when a part of one goes to its neighbour', () => {
    fc.assert(
      fc.property(pair, pair, (one, other) => {
        expect(idOf(one) === idOf(other)).toBe(JSON.stringify(one) === JSON.stringify(other))
      }),
    )
  })
})

describe('outcome data', () => {
  const trigger = { id: 'trigger-1', topic: 'session-events', partition: 0, offset: 7 }

  test('sent', () => {
    expect(JSON.parse(outcomeData(sent, sampleRegistration(), sampleOrigin(), 5))).toEqual({
      issuer: ISSUER,
      sessionId: 'session-1',
      oidcSessionId: 'oidc-1',
      clientId: 'client-1',
      sub: 'user-1',
      sid: 'session-1',
      jti: 'j',
      attempts: 2,
      status: 200,
      trigger,
      registeredAt: 1_700_000_000_000,
      occurredAt: 5,
    })
  })

  test.each([
    sampleRegistration(),
    sampleRegistration({
      alg: 'EdDSA',
      typ: 'JWT',
      claims: 'sub',
      sessionRequired: false,
      sub: 'pairwise',
      sid: 'own',
    }),
  ])('failed, with everything to deliver it again', (registration) => {
    const data: unknown = JSON.parse(outcomeData(failed, registration, sampleOrigin()))
    expect(data).toMatchObject({
      reason: 'rejected',
      attempts: 3,
      lastStatus: 400,
      lastError: 'HTTP 400',
      trigger,
    })
    expect(readRegistration(data, 'https://nobody.example')).toEqual({ kind: 'registration', registration })
  })

  test('failed without an answer, of a registration of which little is known', () => {
    const data = outcomeData(
      { kind: 'failed', reason: 'invalid', attempts: 0, lastError: 'registration: is not JSON' },
      { issuer: ISSUER, sessionId: 's', oidcSessionId: 'o' },
      sampleOrigin(),
    )
    expect(JSON.parse(data)).toEqual({
      issuer: ISSUER,
      sessionId: 's',
      oidcSessionId: 'o',
      attempts: 0,
      status: null,
      trigger,
      reason: 'invalid',
      lastError: 'registration: is not JSON',
    })
  })
})

describe('outcome record', () => {
  const cause = { origin: sampleOrigin(), occurredAtMs: 0, everywhere: false, traceparent: TRACEPARENT }

  test('is a CloudEvent in binary mode under the key of its session', () => {
    const record = outcomeRecord('outcomes', sent, sampleRegistration(), cause)
    expect(record).toMatchObject({ topic: 'outcomes', key: 'session-1' })
    expect(record.headers).toEqual({
      ce_specversion: '1.0',
      ce_id: outcomeId(sampleOrigin(), sampleRegistration()),
      ce_source: ISSUER,
      ce_type: 'backchannel-logout-sent',
      'content-type': 'application/json',
      traceparent: TRACEPARENT,
    })
  })

  test.each([sent, failed])('tells a rebuild which registration was settled: $kind', (outcome) => {
    const { value, headers } = outcomeRecord('outcomes', outcome, sampleRegistration(), cause)
    expect(readOutcome(wireRecord(Buffer.from(value ?? ''), headers))).toMatchObject({
      issuer: ISSUER,
      sessionId: 'session-1',
      oidcSessionId: 'oidc-1',
      registeredAtMs: sampleRegistration().registeredAtMs,
      origin: sampleOrigin(),
      occurredAtMs: 0,
    })
  })

  test('one that does not tell the date settles what stood there when it was written', () => {
    const ids = { issuer: 'i', sessionId: 's', oidcSessionId: 'o' }
    const record = wireRecord(ids, { ce_type: 'backchannel-logout-sent' })
    expect(readOutcome(record)).toEqual({
      ...ids,
      registeredAtMs: RECORD_TIME_MS,
      recordedAtMs: RECORD_TIME_MS,
    })
    expect(readOutcome({ ...record, timestampMs: -1 })?.registeredAtMs).toBe(Number.MAX_SAFE_INTEGER)
  })

  test('what is no outcome settles nothing', () => {
    const ids = { issuer: 'i', sessionId: 's', oidcSessionId: 'o' }
    const sentHeader = { ce_type: 'backchannel-logout-sent' }
    for (const record of [
      wireRecord(ids),
      wireRecord(ids, { ce_type: 'session-terminated' }),
      wireRecord(null, sentHeader),
      wireRecord(Buffer.from('{'), sentHeader),
      wireRecord(Buffer.from('null'), sentHeader),
      wireRecord({ ...ids, oidcSessionId: 7 }, sentHeader),
    ]) {
      expect(readOutcome(record)).toBeUndefined()
    }
  })
})

describe('a shadowed outcome', () => {
  const shadowed: Outcome = { kind: 'shadowed', would: 'blocked', error: 'private', origin: 'https://rp' }
  const cause = { origin: sampleOrigin(), occurredAtMs: 5, everywhere: false }
  const { headers, value } = outcomeRecord('t', shadowed, sampleRegistration(), cause)
  const record = wireRecord(Buffer.from(String(value)), headers as WireHeaders)

  test('is skipped as an outcome, and settles nothing', () => {
    expect(isOutcome(record)).toBe(true)
    expect(readOutcome(record)).toBeUndefined()
    expect(readFailedOutcome(record)).toBeUndefined()
  })

  test('says what would have been, under the id of the real one', () => {
    expect(headers.ce_id).toBe(outcomeId(sampleOrigin(), sampleRegistration()))
    expect(readOutcomeDetails(record)).toMatchObject({
      kind: 'shadowed',
      would: 'blocked',
      error: 'private',
      origin: 'https://rp',
      clientId: 'client-1',
    })
  })
})
