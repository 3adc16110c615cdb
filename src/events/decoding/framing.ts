import { headerOf, type WireRecord } from '../wire-record.ts'

/** Which schema of the registry a value was written with. */
export type SchemaName =
  | { readonly kind: 'id'; readonly id: number }
  | { readonly kind: 'guid'; readonly guid: string }

/** A value in the framing of a schema registry. */
export interface Frame {
  readonly schema: SchemaName
  readonly payload: Buffer
}

/** Serializers may name the schema here, and then write nothing before the value. */
const HEADER = '__value_schema_id'
const ID_BYTES = 4
const GUID_BYTES = 16

/** `undefined` for a value without framing. */
export function frameOf(record: WireRecord): Frame | undefined {
  const { value } = record
  if (value === null) return undefined
  // Looked for first, at little cost: most records have none, and reading all headers takes longer.
  if (headerOf(record, HEADER) !== undefined) {
    const schema = schemaIn(record.headers[HEADER])
    if (schema !== undefined) return { schema, payload: value }
  }
  return frameIn(value)
}

/** 0 and a number, or 1 and a GUID, before the payload. No JSON begins like that. */
export function frameIn(bytes: Buffer): Frame | undefined {
  const [first] = bytes
  if (first === 0 && bytes.length > ID_BYTES)
    return { schema: { kind: 'id', id: bytes.readUInt32BE(1) }, payload: bytes.subarray(1 + ID_BYTES) }
  if (first === 1 && bytes.length > GUID_BYTES)
    return { schema: guidIn(bytes), payload: bytes.subarray(1 + GUID_BYTES) }
  return undefined
}

/** Such as `schema 7`. */
export function describeSchema(name: SchemaName): string {
  return `schema ${name.kind === 'id' ? name.id : name.guid}`
}

function schemaIn(header: WireRecord['headers'][string]): SchemaName | undefined {
  const first = Array.isArray(header) ? header[0] : header
  const frame = first === undefined ? undefined : frameIn(Buffer.from(first as string, 'latin1'))
  return frame?.payload.length === 0 ? frame.schema : undefined
}

function guidIn(bytes: Buffer): SchemaName {
  const guid = bytes
    .toString('hex', 1, 1 + GUID_BYTES)
    .replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
  return { kind: 'guid', guid }
}
