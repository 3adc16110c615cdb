import { describe, expect, test } from 'vitest'
import { entriesOfRecord } from '../../../../src/cli/trace/entry-of-record.ts'
import { Subject } from '../../../../src/cli/trace/subject.ts'
import { outcomeRecord } from '../../../../src/delivery/outcome-record.ts'
import { Decoders } from '../../../../src/events/decoding/decode-record.ts'
import type { WireRecord } from '../../../../src/events/wire-record.ts'
import { formats, RECORD_TIME_MS, wireRecord } from '../../events/wire-records.ts'
import { ISSUER, sampleOrigin, sampleRegistration } from '../../sample-registration.ts'

const registered = (userId: string, sessionId: string) => {
  const { issuer, oidcSessionId, clientId, backchannelLogoutUri } = sampleRegistration()
  return { issuer, oidcSessionId, clientId, backchannelLogoutUri, userId, sessionId }
}

const entryOfRecord = (record: WireRecord, issuer: string, subject: Subject) =>
  entriesOfRecord(record, new Decoders((name = issuer) => name), issuer, subject)[0]

describe.each(Object.entries(formats))('in %s', (_, make) => {
  const entryOf = (type: string, data: Record<string, unknown>, subject: Subject) =>
    entryOfRecord(make(type, data, { id: 't' }), ISSUER, subject)

  test('a session is found by its id, and its user is learnt', () => {
    const subject = new Subject('s1')
    expect(entryOf('backchannel-logout-registered', registered('u1', 's1'), subject)).toMatchObject({
      kind: 'registered',
      atMs: RECORD_TIME_MS,
      clientId: 'client-1',
      topic: 'session-events',
      offset: 42,
    })
    expect(entryOf('backchannel-logout-registered', registered('u1', 's2'), subject)).toBeUndefined()
    expect(entryOf('user-signed-out', { issuer: ISSUER, userId: 'u1' }, subject)).toMatchObject({
      kind: 'trigger',
      triggerId: 't',
      text: 'user-signed-out everywhere, id t',
    })
    expect(
      entryOf('session-terminated', { issuer: ISSUER, sessionId: 's2', userId: 'u1' }, subject),
    ).toBeUndefined()
    expect([...subject.sessions]).toEqual(['s1'])
  })

  test('a user is found with the sessions that are learnt', () => {
    const subject = new Subject('u1')
    const end = { issuer: ISSUER, sessionId: 's1', reason: 'administrator' }
    expect(entryOf('session-terminated', end, subject)).toBeUndefined()
    expect(entryOf('backchannel-logout-registered', registered('u1', 's1'), subject)).toBeDefined()
    expect(entryOf('session-terminated', end, subject)).toMatchObject({
      kind: 'trigger',
      text: 'session-terminated (administrator), id t',
    })
  })

  test('another issuer is somebody else', () => {
    const end = { issuer: 'https://other.example', sessionId: 's1' }
    expect(entryOf('session-terminated', end, new Subject('s1'))).toBeUndefined()
  })

  test('a record of an unknown type is shown when an id is its key, or stands in it as a whole', () => {
    const of = (subject: string) =>
      entryOf('user-logged-out', { nested: [{ about: 's1' }], more: 's10 s1' }, new Subject(subject))
    expect(of('s1')).toMatchObject({ kind: 'unknown-type', text: expect.stringContaining('user-logged-out') })
    expect(of('key')).toMatchObject({ kind: 'unknown-type' })
    expect(of('s10')).toBeUndefined()
  })

  test('an id that JSON may spell in several ways is found', () => {
    const subject = new Subject('a"b/ü')
    expect(entryOf('session-terminated', { issuer: ISSUER, sessionId: 'a"b/ü' }, subject)).toBeDefined()
  })
})

describe('the records of the relay', () => {
  const cause = { origin: sampleOrigin(), occurredAtMs: 0, everywhere: false }

  test('what was sent is found by its user, also when neither trigger nor registration on the topic names one', () => {
    const outcome = { kind: 'sent', jti: 'j', attempts: 1, status: 204 } as const
    const registration = { ...sampleRegistration(), sub: 'bob', userId: 'bob' }
    const { value, headers } = outcomeRecord('session-events', outcome, registration, cause)
    const record = wireRecord(JSON.parse(String(value)), headers)
    const subject = new Subject('bob')
    expect(entryOfRecord(record, ISSUER, subject)).toMatchObject({
      kind: 'sent',
      sessionId: registration.sessionId,
    })
    expect([...subject.sessions]).toContain(registration.sessionId)
    expect(entryOfRecord(record, ISSUER, new Subject('alice'))).toBeUndefined()
  })

  test.each([
    [
      { kind: 'sent', jti: 'j', attempts: 1, status: 204 } as const,
      {
        kind: 'sent',
        attempts: 1,
        status: 204,
        text: 'sent after 1 attempt, status 204',
        triggerId: 'trigger-1',
      },
    ],
    [
      { kind: 'failed', reason: 'expired', attempts: 3, lastError: 'ECONNREFUSED' } as const,
      { kind: 'failed', reason: 'expired', text: 'failed: expired after 3 attempts, last: ECONNREFUSED' },
    ],
  ])('an outcome', (outcome, expected) => {
    const { value, headers } = outcomeRecord('session-events', outcome, sampleRegistration(), cause)
    const record = wireRecord(JSON.parse(String(value)), headers)
    expect(entryOfRecord(record, ISSUER, new Subject('session-1'))).toMatchObject(expected)
    expect(entryOfRecord(record, ISSUER, new Subject('session-2'))).toBeUndefined()
  })

  test('a dead letter, by its key or by what stands in its bytes', () => {
    const headers = {
      'dead-letter-reason': 'value: is not JSON',
      'dead-letter-topic': 'session-events',
      'dead-letter-partition': '1',
      'dead-letter-offset': '9',
    }
    const record = wireRecord(Buffer.from('{"sessionId":"s1"'), headers)
    const expected = {
      kind: 'dead-letter',
      reason: 'value: is not JSON',
      text: 'a record at session-events/1/9 could not be read: value: is not JSON',
    }
    expect(entryOfRecord(record, ISSUER, new Subject('s1'))).toMatchObject(expected)
    expect(entryOfRecord(record, ISSUER, new Subject('key'))).toMatchObject(expected)
    expect(entryOfRecord(record, ISSUER, new Subject('s2'))).toBeUndefined()
  })

  test('bytes that mean nothing', () => {
    for (const value of [null, Buffer.from('s1'), Buffer.from('{"s1":'), Buffer.from('null s1')]) {
      expect(entryOfRecord(wireRecord(value), ISSUER, new Subject('s1'))).toBeUndefined()
    }
    const headers = { ce_type: 'backchannel-logout-sent' }
    for (const json of ['s1', ['s1'], { issuer: 's1' }, { issuer: ISSUER, sessionId: 's1' }]) {
      expect(entryOfRecord(wireRecord(json, headers), ISSUER, new Subject('s1'))).toBeUndefined()
    }
  })
})
