import avsc from 'avsc'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type AvroType, compileAvro } from '../../../../../src/events/decoding/avro/avro-type.ts'
import { readAvro } from '../../../../../src/events/decoding/avro/read-avro.ts'

function typeOf(schema: unknown, ...referenced: unknown[]): AvroType {
  const compiled = compileAvro(
    JSON.stringify(schema),
    referenced.map((it) => JSON.stringify(it)),
  )
  if (compiled.kind === 'unusable') throw new Error(compiled.problem)
  return compiled.type
}

const exactLong = avsc.types.LongType.__with({
  fromBuffer: (bytes: Buffer) => bytes.readBigInt64LE(),
  toBuffer: (value: bigint) => {
    const bytes = Buffer.alloc(8)
    bytes.writeBigInt64LE(value)
    return bytes
  },
  fromJSON: BigInt,
  toJSON: Number,
  isValid: (value: unknown) => typeof value === 'bigint',
  compare: (a: bigint, b: bigint) => (a < b ? -1 : a > b ? 1 : 0),
})

/** By the implementation that others use. */
function encoded(schema: unknown, value: unknown): Buffer {
  return avsc.Type.forSchema(schema as avsc.Schema, { registry: { long: exactLong } }).toBuffer(value)
}

/** A schema with values as avsc takes them, each with what it is as JSON. */
interface Typed {
  readonly schema: unknown
  readonly of: fc.Arbitrary<readonly [unknown, unknown]>
}

let names = 0
const same = (of: fc.Arbitrary<unknown>) => of.map((it) => [it, it] as const)
const text = fc.string({ unit: 'binary', maxLength: 20 })
const inBase64 = (of: fc.Arbitrary<Uint8Array>) =>
  of.map((it) => [Buffer.from(it), Buffer.from(it).toString('base64')] as const)
const { type: typed } = fc.letrec<{ type: Typed; leaf: Typed }>((tie) => ({
  type: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    tie('leaf'),
    tie('type').map(({ schema, of }) => ({
      schema: { type: 'array', items: schema },
      of: fc
        .array(of, { maxLength: 3 })
        .map((all) => [all.map(([it]) => it), all.map(([, it]) => it)] as const),
    })),
    tie('type').map(({ schema, of }) => ({
      schema: { type: 'map', values: schema },
      of: fc.array(fc.tuple(text, of), { maxLength: 3 }).map((all) => {
        const member = (at: 0 | 1) => Object.fromEntries(all.map(([key, it]) => [key, it[at]]))
        return [member(0), member(1)] as const
      }),
    })),
    fc.array(tie('type'), { maxLength: 3 }).map((fields) => ({
      schema: {
        type: 'record',
        name: `R${names++}`,
        fields: fields.map(({ schema }, i) => ({ name: `f${i}`, type: schema })),
      },
      of: fc.tuple(...fields.map(({ of }) => of)).map((all) => {
        const member = (at: 0 | 1) => Object.fromEntries(all.map((it, i) => [`f${i}`, it[at]]))
        return [member(0), member(1)] as const
      }),
    })),
    tie('leaf').map(({ schema, of }) => ({
      schema: schema === 'null' ? 'null' : ['null', schema],
      of: schema === 'null' ? of : fc.oneof(fc.constant([null, null] as const), of),
    })),
  ),
  leaf: fc
    .constantFrom<(() => Typed)[]>(
      () => ({ schema: 'null', of: same(fc.constant(null)) }),
      () => ({ schema: 'boolean', of: same(fc.boolean()) }),
      () => ({ schema: 'int', of: same(fc.integer()) }),
      () => ({
        schema: 'long',
        of: fc
          .bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
          .map((it) => [it, Number.isSafeInteger(Number(it)) ? Number(it) : String(it)] as const),
      }),
      () => ({ schema: 'float', of: same(fc.float({ noNaN: true, noDefaultInfinity: true })) }),
      () => ({ schema: 'double', of: same(fc.double({ noNaN: true, noDefaultInfinity: true })) }),
      () => ({ schema: 'string', of: same(text) }),
      () => ({ schema: 'bytes', of: inBase64(fc.uint8Array({ maxLength: 20 })) }),
      () => ({
        schema: { type: 'fixed', name: `F${names++}`, size: 4 },
        of: inBase64(fc.uint8Array({ minLength: 4, maxLength: 4 })),
      }),
      () => ({
        schema: { type: 'enum', name: `E${names++}`, symbols: ['A', 'B'] },
        of: same(fc.constantFrom('A', 'B')),
      }),
    )
    .map((make) => make()),
}))

const sample = typed.chain(({ schema, of }) => of.map(([avro, json]) => ({ schema, avro, json })))

test('what another implementation writes is read as its JSON, and no part of it is read', () => {
  fc.assert(
    fc.property(
      sample,
      fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      ({ schema, avro, json }, part) => {
        const bytes = encoded(schema, avro)
        const type = typeOf(schema)
        expect(readAvro(type, bytes)).toEqual({ kind: 'json', json })
        if (bytes.length > 0)
          expect(readAvro(type, bytes.subarray(0, Math.floor(part * bytes.length))).kind).toBe('malformed')
        expect(readAvro(type, Buffer.concat([bytes, Buffer.from([0])])).kind).toBe('malformed')
      },
    ),
    { numRuns: 500 },
  )
})

test('any bytes are read, or malformed', () => {
  fc.assert(
    fc.property(sample, fc.uint8Array({ maxLength: 200 }), ({ schema }, bytes) => {
      expect(['json', 'malformed']).toContain(readAvro(typeOf(schema), Buffer.from(bytes)).kind)
    }),
    { numRuns: 500 },
  )
})

const readHex = (schema: unknown, hex: string) => readAvro(typeOf(schema), Buffer.from(hex, 'hex'))

describe('logical types', () => {
  test.each([
    ['a decimal', { type: 'bytes', logicalType: 'decimal', precision: 6, scale: 2 }, '0404d2', '12.34'],
    [
      'a small negative decimal',
      { type: 'bytes', logicalType: 'decimal', precision: 6, scale: 2 },
      '02ff',
      '-0.01',
    ],
    ['a decimal without a fraction', { type: 'bytes', logicalType: 'decimal', precision: 38 }, '020a', '10'],
    [
      'a fixed decimal',
      { type: 'fixed', name: 'D', size: 2, logicalType: 'decimal', scale: 1 },
      '007b',
      '12.3',
    ],
    [
      'a UUID in bytes',
      { type: 'fixed', name: 'U', size: 16, logicalType: 'uuid' },
      '00112233445566778899aabbccddeeff',
      '00112233-4455-6677-8899-aabbccddeeff',
    ],
    ['a time', { type: 'long', logicalType: 'timestamp-millis' }, '80b083c59868', 1_790_000_000_000],
    ['a type within a type', { type: { type: 'string', 'connect.name': 'x' } }, '0261', 'a'],
  ])('%s', (_, schema, hex, json) => {
    expect(readHex(schema, hex)).toEqual({ kind: 'json', json })
  })
})

describe('names', () => {
  const user = { type: 'record', name: 'User', namespace: 'a.b', fields: [{ name: 'id', type: 'string' }] }

  test('are found in the namespace around them, and in schemas that are referred to', () => {
    const event = (type: unknown) => ({ type: 'record', name: 'a.b.Event', fields: [{ name: 'user', type }] })
    const bytes = Buffer.from('\u0002u')
    for (const schema of [typeOf(event('User'), user), typeOf(event('a.b.User'), user), typeOf(event(user))])
      expect(readAvro(schema, bytes)).toEqual({ kind: 'json', json: { user: { id: 'u' } } })
  })

  test('a field may be called like a part of every object', () => {
    const schema = { type: 'record', name: 'R', fields: [{ name: '__proto__', type: 'string' }] }
    const result = readHex(schema, '0261')
    expect(result.kind === 'json' && Object.entries(result.json as object)).toEqual([['__proto__', 'a']])
  })
})

const itself = { type: 'record', name: 'Self', fields: [{ name: 'self', type: 'Self' }] }

describe('hostile values', () => {
  test.each([
    ['two billion nulls', { type: 'array', items: 'null' }, '8080808010'],
    [
      'two billion empty records',
      { type: 'array', items: { type: 'record', name: 'E', fields: [] } },
      '8080808010',
    ],
    ['more numbers than there are bytes', { type: 'array', items: 'int' }, '8080808080800102'],
    ['a block that goes beyond the end', { type: 'array', items: 'int' }, '01ffffff0f'],
    ['a count beyond every number', { type: 'map', values: 'int' }, 'ffffffffffffffffff01'],
    ['a length below nothing', 'string', '01'],
    ['a number of more than 64 bits', 'long', 'ffffffffffffffffffff01'],
    ['a branch that does not exist', ['null', 'string'], '04'],
    ['a text that is not UTF-8', 'string', '02ff'],
    ['a record in itself for ever', itself, ''],
    [
      'a list of thousands of links',
      { type: 'record', name: 'L', fields: [{ name: 'next', type: ['null', 'L'] }] },
      `${'02'.repeat(10_000)}00`,
    ],
  ])('%s', (_, schema, hex) => {
    expect(readHex(schema, hex).kind).toBe('malformed')
  })
})

describe('schemas that are not used', () => {
  test.each([
    ['no JSON', '{'],
    ['nested deeper than anybody writes', `${'['.repeat(100_000)}"int"${']'.repeat(100_000)}`],
    ['with more types than anybody writes', JSON.stringify(Array(20_000).fill('int'))],
    ['with a name that nobody defines', '"com.example.User"'],
    [
      'with two fields of one name',
      JSON.stringify({ ...itself, fields: Array(2).fill({ name: 'a', type: 'int' }) }),
    ],
    ['with a type twice', JSON.stringify([itself, itself])],
    ['with a negative size', '{"type":"fixed","name":"F","size":-1}'],
    ['of nothing', '{"type":null}'],
  ])('%s', (_, schema) => {
    expect(compileAvro(schema).kind).toBe('unusable')
  })
})
