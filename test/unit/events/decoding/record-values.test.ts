import { describe, expect, test } from 'vitest'
import { compileAvro } from '../../../../src/events/decoding/avro/avro-type.ts'
import { Decoders } from '../../../../src/events/decoding/decode-record.ts'
import type { SchemaName } from '../../../../src/events/decoding/framing.ts'
import { RecordValues, type Schema } from '../../../../src/events/decoding/record-values.ts'
import type { WireHeaders } from '../../../../src/events/wire-record.ts'
import { ISSUER } from '../../sample-registration.ts'
import { wireRecord } from '../wire-records.ts'

const GUID = '00112233-4455-6677-8899-aabbccddeeff'

const avro = (schema: unknown): Schema => {
  const compiled = compileAvro(JSON.stringify(schema))
  if (compiled.kind === 'unusable') throw new Error(compiled.problem)
  return { kind: 'avro', type: compiled.type }
}
const record = (fields: Record<string, unknown>) =>
  avro({
    type: 'record',
    name: 'Event',
    fields: Object.entries(fields).map(([name, type]) => ({ name, type })),
  })

const schemas: Readonly<Record<string, Schema>> = {
  1: record({ type: 'string', sessionId: ['null', 'string'] }),
  [GUID]: record({ type: 'string', sessionId: ['null', 'string'] }),
  2: { kind: 'json' },
  3: { kind: 'unusable', problem: 'is of Protobuf' },
  4: avro('bytes'),
  5: record({ type: 'string', payload: ['null', 'bytes'] }),
  6: avro('string'),
  7: record({ type: 'string', payload: 'bytes', other: 'bytes' }),
}
const keyOf = (name: SchemaName) => String(name.kind === 'id' ? name.id : name.guid)
const find = (name: SchemaName): Schema => schemas[keyOf(name)] ?? { kind: 'unusable', problem: 'is unknown' }

const text = (it: string) => Buffer.concat([Buffer.from([2 * Buffer.byteLength(it)]), Buffer.from(it)])
const bytes = (it: Buffer) =>
  Buffer.concat([Buffer.from([((2 * it.length) & 0x7f) | 0x80, it.length >> 6]), it])
const byId = (id: number, ...payload: Buffer[]) => Buffer.concat([Buffer.from([0, 0, 0, 0, id]), ...payload])
const guidFrame = Buffer.concat([Buffer.from([1]), Buffer.from(GUID.replaceAll('-', ''), 'hex')])

const fields = [text('session-terminated'), Buffer.from([2]), text('s-1')]
const event = { type: 'session-terminated', sessionId: 's-1' }
const json = Buffer.from(JSON.stringify(event))

/** By a registry that answers at once, and by one that must be asked. */
async function read(value: Buffer, headers: WireHeaders = {}) {
  const results = []
  for (const wait of [false, true]) {
    const values = new RecordValues({ find: (name) => (wait ? Promise.resolve(find(name)) : find(name)) })
    const it = wireRecord(value, headers)
    await values.prepare(it)
    results.push(values.read(it))
  }
  expect(results[0]).toEqual(results[1])
  return results[0]
}

describe('a value in the framing of a schema registry', () => {
  test.each<[string, Buffer, WireHeaders?]>([
    ['by id', byId(1, ...fields)],
    ['by GUID', Buffer.concat([guidFrame, ...fields])],
    ['by GUID in a header', Buffer.concat(fields), { __value_schema_id: guidFrame }],
    ['by id in a header', Buffer.concat(fields), { __value_schema_id: byId(1) }],
    ['JSON Schema by id', byId(2, json)],
    ['JSON Schema by GUID in a header', json, { __value_schema_id: guidFrame }],
    ['JSON of a schema that nobody knows', byId(99, json)],
    ['bytes that hold JSON', byId(4, bytes(json))],
    ['bytes that hold Avro', byId(4, bytes(byId(1, ...fields)))],
  ])('%s', async (_, value, headers) => {
    expect(await read(value, headers)).toEqual({ kind: 'json', json: event })
  })

  test('an outbox with its payload in bytes, as JSON or as Avro', async () => {
    for (const inner of [json, byId(1, ...fields)]) {
      const value = byId(5, text('t'), Buffer.from([2]), bytes(inner))
      expect(await read(value)).toEqual({ kind: 'json', json: { type: 't', payload: event } })
    }
  })

  test('other bytes stay base64, and so does what looks like a frame elsewhere', async () => {
    const value = byId(7, text('t'), bytes(Buffer.from('x')), bytes(byId(3, json)))
    const other = byId(3, json).toString('base64')
    expect(await read(value)).toEqual({ kind: 'json', json: { type: 't', payload: 'eA==', other } })
  })

  test('a text of the length of a quotation mark is no JSON', async () => {
    const sessionId = 'a-session-of-17-c'
    expect(await read(byId(6, text(sessionId)))).toEqual({ kind: 'json', json: sessionId })
    expect(await read(text(sessionId), { __value_schema_id: byId(6) })).toEqual({
      kind: 'json',
      json: sessionId,
    })
  })

  test.each<[string, Buffer, string]>([
    ['a schema that does not exist', byId(98), 'schema 98 is unknown'],
    ['Protobuf', byId(3, Buffer.from([0, 10])), 'schema 3 is of Protobuf'],
    ['bytes that are no Avro of that schema', byId(1, Buffer.from([7])), 'schema 1'],
    ['JSON that is none', byId(2, Buffer.from([7])), 'schema 2'],
    ['Avro within, of a schema that does not exist', byId(4, bytes(byId(97, ...fields))), 'schema 97'],
    ['more than is read', Buffer.concat([byId(1), Buffer.alloc(300_000, 7)]), '300005 bytes'],
  ])('%s is poison', async (_, value, reason) => {
    expect(await read(value)).toEqual({ kind: 'poison', reason: expect.stringContaining(reason) })
  })
})

describe('a reader', () => {
  test('waits for nothing with records that need no schema', () => {
    const { prepare } = new Decoders((name = ISSUER) => name, [], { find })
    for (const value of [
      json,
      Buffer.from('no JSON'),
      byId(2, json),
      byId(1, ...fields),
      Buffer.alloc(0),
      null,
    ])
      expect(prepare(wireRecord(value))).toBeUndefined()
  })

  test('that has prepared nothing is told so, and no record is called poison for it', () => {
    const decoders = new Decoders((name = ISSUER) => name, undefined, { find })
    const it = wireRecord(byId(1, ...fields))
    expect(() => decoders.decode(it, 0)).toThrow(expect.objectContaining({ code: 'LR_NOT_PREPARED' }))
    decoders.prepare(it)
    expect(decoders.decode(it, 0)).toMatchObject({ kind: 'trigger', trigger: { sessionId: 's-1' } })
  })

  test('asks again for what could not be looked up', async () => {
    let failures = 1
    const ask = async (name: SchemaName) => {
      if (failures-- > 0) throw new Error('away')
      return find(name)
    }
    const values = new RecordValues({ find: ask })
    const it = wireRecord(byId(1, ...fields))
    await expect(values.prepare(it)).rejects.toThrow('away')
    await values.prepare(it)
    expect(values.read(it)).toEqual({ kind: 'json', json: event })
  })

  test('without a registry says by which option Avro is read', () => {
    const values = new RecordValues()
    for (const it of [
      wireRecord(byId(1, ...fields)),
      wireRecord(Buffer.concat(fields), { __value_schema_id: guidFrame }),
    ]) {
      expect(values.prepare(it)).toBeUndefined()
      expect(values.read(it)).toMatchObject({
        kind: 'poison',
        reason: expect.stringContaining('SCHEMA_REGISTRY_URL'),
      })
    }
  })
})
