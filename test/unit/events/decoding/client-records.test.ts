import { describe, expect, test } from 'vitest'
import { Decoders } from '../../../../src/events/decoding/decode-record.ts'
import { ISSUER } from '../../sample-registration.ts'
import { decodeOne, formats, RECORD_TIME_MS } from '../wire-records.ts'

const NOW = RECORD_TIME_MS + 60_000
const position = { topic: 'session-events', partition: 3, offset: 42 }

describe.each(Object.entries(formats))('%s', (_, write) => {
  const time = '2027-01-15T08:00:00Z'

  test('a client is configured as far as the record says, at its time', () => {
    const data = { clientId: 'shop', backchannelLogoutUri: 'https://shop.example/l', sessionRequired: false }
    expect(
      decodeOne(write('client-configured', { ...data, state: 'paused', claims: null }, { time }), NOW),
    ).toEqual({
      kind: 'client',
      change: {
        type: 'client-configured',
        issuer: ISSUER,
        clientId: 'shop',
        atMs: 1_800_000_000_000,
        settings: { backchannelLogoutUri: 'https://shop.example/l', sessionRequired: false },
        state: 'paused',
      },
      origin: { id: expect.any(String), ...position },
    })
  })

  test('a client is removed, without a time of its own when the record was written', () => {
    const data = { clientId: 'shop', issuer: 'https://other.example' }
    expect(decodeOne(write('client-removed', data), NOW)).toMatchObject({
      change: { type: 'client-removed', ...data, atMs: RECORD_TIME_MS },
    })
  })

  test('none is configured later than its record was written, but for the tolerance', () => {
    const late = write('client-configured', { clientId: 'shop' }, { time: '2200-01-01T00:00:00Z' })
    expect(decodeOne(late, NOW)).toMatchObject({ change: { atMs: RECORD_TIME_MS + 5_000 } })
  })

  test.each([
    ['client-configured', { clientId: '' }, 'clientId'],
    ['client-removed', {}, 'clientId'],
    ['client-configured', { clientId: 'c', state: 'asleep' }, 'state'],
    ['client-configured', { clientId: 'c', alg: 'none' }, 'alg'],
    ['client-configured', { clientId: 'c', backchannelLogoutUri: '/relative' }, 'backchannelLogoutUri'],
    ['client-configured', { clientId: 'c', sessionRequired: 'yes' }, 'sessionRequired'],
  ])('%s of %j is poison', (type, data, field) => {
    expect(decodeOne(write(type, data), NOW)).toMatchObject({
      kind: 'poison',
      type,
      reason: expect.stringContaining(field),
    })
  })

  test('it may concern clients', () => {
    const decoders = new Decoders((name = ISSUER) => name)
    expect(decoders.mayConcern(write('client-configured', { clientId: 'c' }), 'client')).toBe(true)
  })
})
