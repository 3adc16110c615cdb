import { describe, expect, test } from 'vitest'
import { Decoders } from '../../../../src/events/decoding/decode-record.ts'
import { peel, plainText } from '../../../../src/events/decoding/peel.ts'

const data = { sessionId: 's-1', userId: 'u-1' }
const typed = { type: 'session-terminated', ...data }

function decode(
  value: unknown,
  more: { headers?: Record<string, string>; topic?: string; frame?: Buffer } = {},
) {
  const { headers = {}, topic = 'outbox.event.sessions', frame = Buffer.alloc(0) } = more
  const bytes = Buffer.concat([frame, Buffer.from(typeof value === 'string' ? value : JSON.stringify(value))])
  const decoders = new Decoders((name = 'https://op.example') => name)
  const record = { topic, partition: 0, offset: 3, timestampMs: Date.now(), key: null, value: bytes, headers }
  return decoders.decode(record, Date.now())
}

const trigger = {
  kind: 'trigger',
  trigger: expect.objectContaining({ type: 'session-terminated', sessionId: 's-1' }),
}
const schema = { type: 'string', optional: true, name: 'io.debezium.data.Json' }

test.each([
  ['an object', typed],
  ['a text with JSON in it', JSON.stringify(JSON.stringify(typed))],
  ['a schema and its payload as text', { schema, payload: JSON.stringify(typed) }],
  ['a schema and its payload', { schema: null, payload: typed }],
  ['a payload with the type beside it', { payload: JSON.stringify(data), eventType: 'session-terminated' }],
  [
    'all of that in each other',
    JSON.stringify({
      schema,
      payload: { payload: JSON.stringify(JSON.stringify(data)), type: 'session-terminated' },
    }),
  ],
  [
    'a change record of an outbox',
    { before: null, after: { id: 'e', type: 'session-terminated', ...data }, op: 'c', source: {} },
  ],
])('the outbox of a connector, %s', (_what, value) => {
  expect(decode(value)).toEqual(trigger)
})

const binary = (more: Record<string, string> = {}) => ({
  ce_specversion: '1.0',
  ce_type: 'session-terminated',
  ...more,
})
const structured = { 'content-type': 'application/cloudevents+json' }
const event = (more: object) => ({
  specversion: '1.0',
  id: 'e-1',
  source: '/',
  type: 'session-terminated',
  ...more,
})
const base64 = (json: unknown) => Buffer.from(JSON.stringify(json)).toString('base64')
const row = { before: null, after: data, op: 'c', source: {} }
const wraps: [string, unknown][] = [
  ['a schema and its payload', { schema: { type: 'struct' }, payload: data }],
  ['a schema and its payload as text', { schema, payload: JSON.stringify(data) }],
  ['a text with JSON in it', JSON.stringify(data)],
  ['a schema and its payload in base64', { schema: { type: 'bytes' }, payload: base64(data) }],
  ['base64', base64(data)],
  ['a change record', row],
  ['a change record with its schema', { schema: {}, payload: row }],
  [
    'all of that',
    JSON.stringify({ schema, payload: JSON.stringify({ schema: {}, payload: { ...row, after: data } }) }),
  ],
]

describe.each(wraps)('a CloudEvent of an own type with data in an envelope, %s:', (_what, wrapped) => {
  test('binary', () => {
    const text = JSON.stringify(wrapped)
    expect(decode(text, { headers: binary() })).toEqual(trigger)
    const quoted = Object.entries(binary({ ce_id: 'e-1' })).map(([name, it]) => [name, JSON.stringify(it)])
    const [found] = [decode(text, { headers: Object.fromEntries(quoted) })].flat()
    expect(found).toMatchObject({ trigger: { sessionId: 's-1', origin: { id: 'e-1' } } })
  })

  test('structured, alone, in a batch and in an envelope of its own', () => {
    for (const it of [event({ data: wrapped }), event({ data_base64: base64(wrapped) })]) {
      expect(decode(it, { headers: structured })).toEqual(trigger)
      expect(decode(it), 'without a content type').toEqual(trigger)
      const quoted = { 'content-type': '"application/cloudevents+json"' }
      expect(decode({ schema: {}, payload: it }, { headers: quoted })).toEqual(trigger)
      expect(decode(JSON.stringify(JSON.stringify(it)), { headers: structured })).toEqual(trigger)
      const batch = { 'content-type': 'application/cloudevents-batch+json' }
      expect(decode([it, it], { headers: batch })).toEqual([trigger, trigger])
      expect(decode({ schema: {}, payload: [JSON.stringify(it)] }, { headers: batch })).toEqual([trigger])
    }
  })

  test('beside its type', () => {
    expect(decode({ type: 'session-terminated', data: wrapped })).toEqual(trigger)
  })
})

test('data of an own type that need no envelope keep all their members, whatever they are called', () => {
  const odd = { ...data, payload: { sessionId: 'other' }, schema: {}, after: {}, before: {}, op: 'r' }
  for (const it of [
    decode(odd, { headers: binary() }),
    decode(event({ data: odd }), { headers: structured }),
    decode({ ...odd, type: 'session-terminated' }),
  ])
    expect(it).toEqual(trigger)
})

test.each(['r', 'd', 'u', 't'])(
  'a CloudEvent of an own type about a row that is not new (%s) is no trigger',
  (op) => {
    const skipped = { kind: 'skipped', reason: 'snapshot' }
    const change = { schema: {}, payload: { ...row, before: data, op } }
    for (const it of [change, { ...data, __op: op }, JSON.stringify(change)]) {
      expect(decode(JSON.stringify(it), { headers: binary() })).toEqual(skipped)
      expect(decode(event({ data: it }), { headers: structured })).toEqual(skipped)
      expect(decode(event({ data_base64: base64(it) }), { headers: structured })).toEqual(skipped)
      expect(decode(event({ data: it }))).toEqual(skipped)
    }
    expect(decode({ ...typed, __op: op }), 'flattened, with its type beside it').toEqual(skipped)
  },
)

test('a change record as a CloudEvent of Debezium, whose operation stands beside the data', () => {
  const change = (iodebeziumop: string) => ({
    ...event({ type: 'io.debezium.connector.postgresql.DataChangeEvent', iodebeziumop }),
    data: { schema: {}, payload: { before: null, after: typed } },
  })
  expect(decode(change('c'))).toEqual(trigger)
  expect(decode(change('r'))).toEqual({ kind: 'skipped', reason: 'snapshot' })
  expect(peel(change('r'))).toMatchObject({ op: 'r', value: typed })
  expect(decode(event({ iodebeziumop: 'r', data }))).toEqual({ kind: 'skipped', reason: 'snapshot' })
  expect(decode(event({ iodebeziumop: 'c', data }))).toEqual(trigger)
})

test('an id in quotes that is base64 of JSON stays as it is', () => {
  const id = base64({ sid: 's-1' })
  for (const text of [
    id,
    JSON.stringify(id),
    JSON.stringify(JSON.stringify(id)),
    JSON.stringify({ schema, payload: id }),
  ])
    expect(plainText(text)).toBe(id)
  for (const text of ['', '"', '{"id":"k"}', '""', '{"schema":{},"payload":7}'])
    expect(plainText(text)).toBe(text)
})

test('the outcome of another relay in quotes is an outcome', () => {
  const headers = { ce_type: '"backchannel-logout-sent"' }
  expect(decode(data, { headers })).toEqual({ kind: 'skipped', reason: 'outcome' })
})

test('a byte order mark before JSON is passed over', () => {
  expect(decode(typed, { frame: Buffer.from('\ufeff') })).toEqual(trigger)
})

test('the type may stand in a header, plain or as JSON, or at the end of the name of the topic', () => {
  expect(decode(data, { headers: { eventType: 'session-terminated' } })).toEqual(trigger)
  expect(decode(data, { headers: { type: '"session-terminated"' } })).toEqual(trigger)
  const wrapped = JSON.stringify({
    schema: { type: 'string', optional: true },
    payload: 'session-terminated',
  })
  expect(decode(data, { headers: { eventType: wrapped } })).toEqual(trigger)
  expect(decode(data, { topic: 'outbox.event.session-terminated' })).toEqual(trigger)
})

test('a row of a snapshot, or one that was deleted, is never a trigger', () => {
  const snapshot = { before: null, after: typed, op: 'r', source: {} }
  expect(decode(snapshot)).toEqual({ kind: 'skipped', reason: 'snapshot' })
  expect(decode({ schema: {}, payload: snapshot })).toEqual({ kind: 'skipped', reason: 'snapshot' })
  for (const op of ['d', 'u', 't']) {
    expect(decode({ before: typed, after: typed, op, source: {} })).toMatchObject({ kind: 'skipped' })
  }
  expect(decode({ before: null, after: null, op: 'd', source: {} })).toMatchObject({ kind: 'skipped' })
})

test('JSON in the framing of a schema registry, by id and by GUID', () => {
  expect(decode(typed, { frame: Buffer.from([0, 0, 0, 0, 7]) })).toEqual(trigger)
  expect(decode(typed, { frame: Buffer.concat([Buffer.from([1]), Buffer.alloc(16, 9)]) })).toEqual(trigger)
  const avro = decode('\u0006s-1', { frame: Buffer.from([0, 0, 0, 0, 7]) })
  expect(avro).toMatchObject({ kind: 'poison', reason: expect.stringContaining('Avro') })
})

test('a batch of CloudEvents', () => {
  const headers = { 'content-type': 'application/cloudevents-batch+json' }
  const of = (id: string, type: string) => ({ specversion: '1.0', id, source: '/', type, data })
  const batch = [of('a', 'session-terminated'), of('b', 'foreign'), of('c', 'session-terminated')]
  expect(decode(batch, { headers })).toEqual([
    trigger,
    { kind: 'skipped', reason: 'unknown-type', type: 'foreign' },
    trigger,
  ])
  expect(decode({}, { headers })).toMatchObject({ kind: 'poison' })
})

test('of a row that was deleted, rules see what it held', () => {
  const row = { before: { id: 'u-1' }, after: null, op: 'd', source: {} }
  expect(peel({ schema: {}, payload: row })).toMatchObject({ op: 'd', value: { id: 'u-1' } })
})

test('what says that it is something else is not taken for a record of the relay', () => {
  for (const value of [
    { type: 'audit.copied', payload: typed },
    { payload: { ...data, type: 'audit.copied' }, eventType: 'session-terminated' },
    { type: 'delivery-report', event_type: 'session-terminated', ...data },
    { payload: { type: 'backchannel-logout-sent', ...data } },
  ]) {
    expect(decode(value, { topic: 'app.session-terminated' }), JSON.stringify(value)).toMatchObject({
      kind: 'skipped',
    })
  }
  const headers = { type: 'session-terminated' }
  expect(decode({ type: 'other', ...data }, { headers })).toMatchObject({ kind: 'skipped', type: 'other' })
  for (const op of ['r', 'd']) {
    expect(decode({ payload: { ...typed, __op: op } })).toMatchObject({ kind: 'skipped' })
  }
  expect(decode({ payload: data, type: 'session-terminated' })).toEqual(trigger)
})
