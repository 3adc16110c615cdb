import { RelayFault } from '../../lib/errors.ts'
import type { WireRecord } from '../wire-record.ts'
import type { AvroType } from './avro/avro-type.ts'
import { readAvro } from './avro/read-avro.ts'
import { isObject, type JsonResult, jsonIn, parseJson, sizeProblem, textOf, unframed } from './envelope.ts'
import { describeSchema, type Frame, frameIn, frameOf, type SchemaName } from './framing.ts'

/** What a schema registry says of a schema. */
export type Schema =
  | { readonly kind: 'avro'; readonly type: AvroType }
  | { readonly kind: 'json' }
  /** There is none, or nothing can be read with it. `problem` goes on after its name, such as `is not in the registry`. */
  | { readonly kind: 'unusable'; readonly problem: string }

export interface Schemas {
  /** At once where it is known. Rejects while the registry cannot be asked: whoever needs the schema asks again. */
  find(name: SchemaName): Schema | Promise<Schema>
}

/** Framed values within framed values: an outbox writes one into the other at most. */
const FRAMES_MAX = 2

/**
 * The values of records as JSON, whatever they were serialized with. A schema registry must be asked for some schemas, so
 * each record is prepared before it is read; everything after that is synchronous.
 */
export class RecordValues {
  readonly #schemas: Schemas | undefined
  readonly #prepared = new WeakMap<WireRecord, JsonResult>()

  /** Without `schemas` nothing is prepared, and Avro is poison. */
  constructor(schemas?: Schemas) {
    this.#schemas = schemas
  }

  /**
   * Must come before `read`. `undefined` when there is nothing to wait for, as almost always; a promise while a schema is looked
   * up. It rejects while the registry cannot be asked.
   */
  prepare(record: WireRecord): Promise<void> | undefined {
    if (this.#schemas === undefined || this.#prepared.has(record)) return undefined
    const frame = frameOf(record)
    if (frame === undefined || sizeProblem(record.value) !== undefined) return undefined
    const opened = this.#open(this.#schemas, frame, 1)
    if (opened instanceof Promise) return opened.then((it) => void this.#prepared.set(record, it))
    this.#prepared.set(record, opened)
    return undefined
  }

  /** Throws for a record that should have been prepared: reading it now would call it poison. */
  read(record: WireRecord): JsonResult {
    const prepared = this.#prepared.get(record)
    if (prepared !== undefined) return prepared
    const frame = frameOf(record)
    if (frame === undefined) return parseJson(record.value)
    const problem = sizeProblem(record.value)
    if (problem !== undefined) return { kind: 'poison', reason: problem }
    if (this.#schemas === undefined) return unframed(frame)
    throw new RelayFault('LR_NOT_PREPARED', 'the record was read before its schema was looked up')
  }

  #open(schemas: Schemas, frame: Frame, depth: number): JsonResult | Promise<JsonResult> {
    // JSON needs no schema, so it does not wait for one.
    const json = jsonIn(frame.payload)
    if (json !== undefined) return json
    const schema = schemas.find(frame.schema)
    return schema instanceof Promise
      ? schema.then((it) => this.#readBy(it, schemas, frame, depth))
      : this.#readBy(schema, schemas, frame, depth)
  }

  #readBy(
    schema: Schema,
    schemas: Schemas,
    { schema: name, payload }: Frame,
    depth: number,
  ): JsonResult | Promise<JsonResult> {
    const poison = (problem: string): JsonResult => {
      return { kind: 'poison', reason: `value: its ${describeSchema(name)} ${problem}` }
    }
    switch (schema.kind) {
      case 'unusable':
        return poison(schema.problem)
      case 'json':
        return poison('is a JSON Schema, and it is not JSON')
      case 'avro': {
        const result = readAvro(schema.type, payload)
        if (result.kind === 'malformed')
          return poison(`is of Avro, and the value does not fit it: ${result.problem}`)
        const inner = bytesIn(schema.type, result.json)
        if (inner === undefined) return result
        const opened = this.#openInner(schemas, inner.bytes, depth)
        if (opened === undefined) return result
        return opened instanceof Promise ? opened.then(inner.replacedBy) : inner.replacedBy(opened)
      }
      default:
        return schema satisfies never
    }
  }

  #openInner(schemas: Schemas, bytes: Buffer, depth: number): JsonResult | Promise<JsonResult> | undefined {
    const frame = frameIn(bytes)
    if (frame === undefined) return jsonIn(bytes)
    return depth < FRAMES_MAX ? this.#open(schemas, frame, depth + 1) : undefined
  }
}

/**
 * Bytes in the place of a payload, as an outbox writes them, and what becomes of the value with something else there. Bytes
 * elsewhere may be anything.
 */
function bytesIn(
  type: AvroType,
  json: unknown,
): { bytes: Buffer; replacedBy: (opened: JsonResult) => JsonResult } | undefined {
  if (isBytes(type)) {
    const text = textOf(json)
    return text === undefined ? undefined : { bytes: Buffer.from(text, 'base64'), replacedBy: (it) => it }
  }
  if (type.kind !== 'record' || !isObject(json)) return undefined
  const field = type.fields.find(({ name }) => name === 'payload')
  const text = field && isBytes(field.type) ? textOf(json.payload) : undefined
  if (text === undefined) return undefined
  return {
    bytes: Buffer.from(text, 'base64'),
    replacedBy: (it) => (it.kind === 'json' ? { kind: 'json', json: { ...json, payload: it.json } } : it),
  }
}

function isBytes(type: AvroType): boolean {
  return (
    type.kind === 'bytes' || (type.kind === 'union' && type.branches.some(({ kind }) => kind === 'bytes'))
  )
}
