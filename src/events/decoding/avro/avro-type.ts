export type AvroPrimitive = 'null' | 'boolean' | 'int' | 'long' | 'float' | 'double' | 'bytes' | 'string'

/** A type of Avro 1.12, as the writer of a value had it. Types may contain themselves. */
export type AvroType =
  | { readonly kind: AvroPrimitive }
  /** `size`: of a fixed one, in bytes. */
  | { readonly kind: 'decimal'; readonly scale: number; readonly size: number | undefined }
  | { readonly kind: 'fixed'; readonly size: number; readonly isUuid: boolean }
  | { readonly kind: 'enum'; readonly symbols: readonly string[] }
  | { readonly kind: 'array'; readonly items: AvroType }
  | { readonly kind: 'map'; readonly values: AvroType }
  | { readonly kind: 'union'; readonly branches: readonly AvroType[] }
  | { readonly kind: 'record'; readonly fields: readonly AvroField[] }

export interface AvroField {
  readonly name: string
  readonly type: AvroType
}

export type CompiledSchema =
  | { readonly kind: 'compiled'; readonly type: AvroType }
  /** `problem`: for people, without a word of the schema. */
  | { readonly kind: 'unusable'; readonly problem: string }

const PRIMITIVES = new Set<string>(['null', 'boolean', 'int', 'long', 'float', 'double', 'bytes', 'string'])
/** A wide table has some hundreds of columns, each with a union. */
const TYPES_MAX = 10_000
const DEPTH_MAX = 64
const DECIMAL_SCALE_MAX = 1_000

/**
 * Compiles a schema in its JSON form. `referenced`: the schemas that define the names it refers to, each after those that it
 * refers to itself.
 */
export function compileAvro(schema: string, referenced: readonly string[] = []): CompiledSchema {
  const compiler = new Compiler()
  try {
    for (const text of referenced) compiler.compile(text)
    return { kind: 'compiled', type: compiler.compile(schema) }
  } catch (error) {
    // Anything else is a gap of this compiler: whoever waits for the schema would wait for ever.
    return { kind: 'unusable', problem: error instanceof Unusable ? error.message : 'it cannot be compiled' }
  }
}

class Unusable extends Error {}

type Json = Readonly<Record<string, unknown>>

class Compiler {
  readonly #named = new Map<string, AvroType>()
  #types = 0

  compile(text: string): AvroType {
    return this.#typeOf(parsed(text), '', 0)
  }

  #typeOf(schema: unknown, namespace: string, depth: number): AvroType {
    if (++this.#types > TYPES_MAX) throw new Unusable(`it has more than ${TYPES_MAX} types`)
    if (depth > DEPTH_MAX) throw new Unusable(`its types are nested more than ${DEPTH_MAX} deep`)
    if (typeof schema === 'string') return this.#typeNamed(schema, namespace)
    const inner = (it: unknown, within = namespace) => this.#typeOf(it, within, depth + 1)
    if (Array.isArray(schema)) return { kind: 'union', branches: schema.map((it) => inner(it)) }
    if (typeof schema !== 'object' || schema === null) throw new Unusable('a type of it is no type')
    const json = schema as Json
    switch (json.type) {
      case 'array':
        return { kind: 'array', items: inner(json.items) }
      case 'map':
        return { kind: 'map', values: inner(json.values) }
      case 'enum':
        return this.#define(json, namespace, { kind: 'enum', symbols: textsIn(json.symbols) })
      case 'fixed':
        return this.#define(json, namespace, fixedOf(json))
      case 'record':
      case 'error': {
        const fields: AvroField[] = []
        // Before its fields, which may refer to it.
        const type = this.#define(json, namespace, { kind: 'record', fields })
        const within = namespaceOf(fullName(json, namespace))
        for (const { name, type: of } of objectsIn(json.fields)) {
          if (typeof name !== 'string' || fields.some((it) => it.name === name))
            throw new Unusable('a record of it has a field without a name, or two of one name')
          fields.push({ name, type: inner(of, within) })
        }
        return type
      }
      case 'bytes':
        return json.logicalType === 'decimal' ? decimalOf(json, undefined) : { kind: 'bytes' }
      default:
        return inner(json.type)
    }
  }

  #typeNamed(name: string, namespace: string): AvroType {
    if (PRIMITIVES.has(name)) return { kind: name as AvroPrimitive }
    const inNamespace = name.includes('.') || namespace === '' ? name : `${namespace}.${name}`
    const type = this.#named.get(inNamespace) ?? this.#named.get(name)
    if (type === undefined) throw new Unusable('it refers to a type that it does not define')
    return type
  }

  #define(json: Json, namespace: string, type: AvroType): AvroType {
    const name = fullName(json, namespace)
    if (this.#named.has(name)) throw new Unusable('it defines a type twice')
    this.#named.set(name, type)
    return type
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new Unusable('it is not JSON')
  }
}

function fullName({ name, namespace: own }: Json, namespace: string): string {
  if (typeof name !== 'string' || name === '') throw new Unusable('a type of it has no name')
  const within = typeof own === 'string' ? own : namespace
  return name.includes('.') || within === '' ? name : `${within}.${name}`
}

function namespaceOf(name: string): string {
  return name.slice(0, Math.max(name.lastIndexOf('.'), 0))
}

function fixedOf(json: Json): AvroType {
  const { size, logicalType } = json
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0)
    throw new Unusable('a fixed type of it has no size')
  if (logicalType === 'decimal') return decimalOf(json, size)
  return { kind: 'fixed', size, isUuid: logicalType === 'uuid' && size === 16 }
}

function decimalOf({ scale = 0 }: Json, size: number | undefined): AvroType {
  if (typeof scale !== 'number' || !Number.isInteger(scale) || scale < 0 || scale > DECIMAL_SCALE_MAX)
    throw new Unusable('a decimal type of it has no valid scale')
  return { kind: 'decimal', scale, size }
}

function textsIn(list: unknown): string[] {
  if (!Array.isArray(list) || !list.every((it) => typeof it === 'string'))
    throw new Unusable('an enum of it has no symbols')
  return list
}

function objectsIn(list: unknown): Json[] {
  if (!Array.isArray(list) || !list.every((it) => typeof it === 'object' && it !== null))
    throw new Unusable('a record of it has no fields')
  return list
}
