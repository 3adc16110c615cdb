import { describe, expect, test } from 'vitest'
import { Decoders, registeredDecoders } from '../../../../src/events/decoding/decode-record.ts'
import type { Decoder } from '../../../../src/events/decoding/decoder.ts'
import type { WireHeaders, WireRecord } from '../../../../src/events/wire-record.ts'
import { formatSamples } from '../../../support/format-samples.ts'
import { inputFormats, inputRecord } from '../../../support/input-record.ts'
import { ISSUER } from '../../sample-registration.ts'
import { FOREIGN_TYPE, foreignFormat, foreignRecord, saying } from '../foreign-format.ts'
import { wireRecord } from '../wire-records.ts'

const kinds = ['trigger', 'registration', 'client'] as const
const decode = (record: WireRecord, ...formats: readonly Decoder[]) =>
  new Decoders((name = ISSUER) => name, [...registeredDecoders, ...formats]).decode(record, Date.now())

/** A record whose value must not be read. */
function unread(headers: WireHeaders): WireRecord {
  return Object.defineProperty({ ...wireRecord({}), headers }, 'value', {
    get: () => {
      throw new Error('the value was read')
    },
  })
}

describe('what a record may concern', () => {
  const decoders = new Decoders((name = ISSUER) => name)

  test.each(registeredDecoders.map(({ name }) => name))('nothing that %s says is passed over', (name) => {
    const samples = formatSamples[name]?.((ids) => ({
      ...{ ...ids, issuer: ISSUER, clientId: 'c' },
      backchannelLogoutUri: 'https://rp.example/',
    }))
    const said = (samples?.records ?? []).flatMap(({ headers, value }) => {
      const record = wireRecord(Buffer.from(value), headers)
      return [decoders.decode(record, Date.now())].flat().map(({ kind }) => ({ kind, record }))
    })
    expect(new Set(said.map(({ kind }) => kind))).toEqual(new Set(kinds))
    for (const { kind, record } of said) {
      expect(decoders.mayConcern(unread(record.headers), kind as (typeof kinds)[number])).toBe(true)
      expect(decoders.mayConcern(unread(record.headers))).toBe(true)
    }
  })

  test('by their header outcomes concern nobody, foreign events nobody who does not know them', () => {
    for (const type of ['backchannel-logout-sent', 'backchannel-logout-failed', FOREIGN_TYPE]) {
      for (const kind of [...kinds, undefined])
        expect(decoders.mayConcern(unread({ ce_type: type }), kind)).toBe(false)
    }
    expect(decoders.mayConcern(unread({ ce_type: 'session-terminated' }), 'registration')).toBe(false)
    expect(decoders.mayConcern(unread({ ce_type: 'backchannel-logout-registered' }), 'trigger')).toBe(false)
  })
})

describe('a further format', () => {
  const end = (sessionId: string, id?: string) => saying('session-terminated', { sessionId }, id)

  test('is asked for CloudEvents of its own type, and no other format answers for them', () => {
    expect(decode(foreignRecord(end('s')))).toEqual({
      kind: 'skipped',
      reason: 'unknown-type',
      type: FOREIGN_TYPE,
    })
    expect(decode(foreignRecord(end('s')), foreignFormat)).toMatchObject([{ trigger: { sessionId: 's' } }])
  })

  test.each(inputFormats)('is asked for types of its own as %s', (format) => {
    const { headers, value } = inputRecord(FOREIGN_TYPE, { sessionId: 's' }, { format })
    const asked: string[] = []
    const answer: Decoder = {
      name: 'last',
      decode: () => {
        asked.push(format)
        return { kind: 'skipped', reason: 'unknown-type' }
      },
      mayConcern: () => true,
    }
    decode(wireRecord(Buffer.from(value), headers), answer)
    expect(asked).toEqual([format])
  })

  test('what one record says several times has a name each, the same whenever it is read', () => {
    const record = foreignRecord(end('a'), end('b'), end('c', 'own'), end('d', 'own'), end('e', '\n'))
    const at = `session-events/3/42@${record.timestampMs}`
    for (let reading = 0; reading < 2; reading++) {
      expect(decode(record, foreignFormat)).toMatchObject(
        [at, `${at}#1`, 'own', `${at}#3`, `${at}#4`].map((id) => ({
          trigger: { origin: { id, offset: 42 } },
        })),
      )
    }
  })

  test('what it cannot make sense of is poison, and says which part it was', () => {
    const record = foreignRecord(end('a'), end(''), { kind: 'poison', reason: 'why' })
    expect(decode(record, foreignFormat)).toMatchObject([
      { kind: 'trigger' },
      { kind: 'poison', reason: expect.stringMatching(/^2 of 3: sessionId/) },
      { kind: 'poison', reason: '3 of 3: why' },
    ])
    expect(decode(wireRecord(Buffer.from('{'), { ce_type: FOREIGN_TYPE }), foreignFormat)).toMatchObject({
      kind: 'poison',
    })
  })

  test('a type that nobody knows is told in a length and in characters that may be shown', () => {
    const type = `a\u202e\n${'b'.repeat(200)}`
    const shown = `a\ufffd\ufffd${'b'.repeat(97)}`
    const skipped = { kind: 'skipped', reason: 'unknown-type', type: shown }
    for (const format of inputFormats) {
      const { headers, value } = inputRecord(type, { sessionId: 's' }, { format })
      expect(decode(wireRecord(Buffer.from(value), headers))).toEqual(skipped)
    }
  })

  test('a record that says nothing is skipped', () => {
    expect(decode(foreignRecord(), foreignFormat)).toEqual({ kind: 'skipped', reason: 'unknown-type' })
  })
})
