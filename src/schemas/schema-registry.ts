import { readFileSync } from 'node:fs'
import { type DocumentAnswer, fetchDocument } from '../egress/fetch-document.ts'
import { compileAvro } from '../events/decoding/avro/avro-type.ts'
import { describeSchema, type SchemaName } from '../events/decoding/framing.ts'
import type { Schema, Schemas } from '../events/decoding/record-values.ts'
import type { Clock } from '../lib/clock.ts'
import { messageOf, RelayFault } from '../lib/errors.ts'
import { printable } from '../lib/printable.ts'
import { RateLimit } from '../lib/rate-limit.ts'
import { describeFailure, judge, type RegistryAnswer, type RegistryFailure } from './registry-answer.ts'

export interface SchemaRegistryOptions {
  /** Without login, query and fragment. */
  readonly url: string
  readonly username?: string | undefined
  readonly password?: string | undefined
  readonly tls: { readonly caFile?: string | undefined }
}

export interface SchemaRegistryFacts {
  readonly url: string
  /** Why it cannot be asked, if it cannot. */
  readonly failure: RegistryFailure | undefined
  /** The path that this, or the last answer, is about: the rights to one say nothing of those to another. */
  readonly asked: string
  /** A record waits for it. */
  readonly isAwaited: boolean
  /** Schemas that were asked for, and with which no record can be read. */
  readonly unusable: readonly { readonly schema: string; readonly problem: string }[]
}

const LIMITS = { timeoutMs: 5_000, bytesMax: 1_024 * 1_024 }
const SCHEMAS_MAX = 1_000
const CHARACTERS_MAX = 8 * 1_024 * 1_024
const REFERENCES_MAX = 64
/** Somebody may register it in the next moment. */
const ABSENT_MS = 30_000
/** Whoever may write records may name another schema in each, which need not exist. */
const REQUESTS_PER_SECOND = 100
/** After a failure nobody asks again for so long. */
const REST_MS = 500
/** Of a look, which is made again and again. */
const LOOKED_UP_MAX = 5
/** Few registries have none of that id, and one that has says so as it would of another. */
const ANY_SCHEMA: SchemaName = { kind: 'id', id: 1 }
/** Whoever waits asks again sooner. */
const AWAITED_MS = 10_000

interface Found {
  readonly schema: string
  readonly type: string
  readonly references: readonly unknown[]
}

interface Known {
  readonly schema: Schema
  /** About what it takes in memory. */
  readonly characters: number
}

/**
 * The schemas of a registry that answers as Confluent's does. A schema never changes under its id, so it is kept, as many as
 * fit. A registry that cannot be asked, refuses the login or is no registry is waited for; only what it says itself is that a
 * schema does not exist.
 */
export class SchemaRegistry implements Schemas {
  /** Called when a record begins to wait for it, and when one was read again. */
  onChange: () => void = () => undefined
  readonly #options: SchemaRegistryOptions
  readonly #clock: Pick<Clock, 'monotonic'>
  /** The least recently used first. */
  readonly #known = new Map<string, Known>()
  #characters = 0
  readonly #asked = new Map<string, Promise<Schema>>()
  readonly #rate: RateLimit
  /** Those of this period that do not exist. */
  readonly #absent = new Map<string, Schema>()
  #absentSince = Number.NEGATIVE_INFINITY
  #failed: { readonly failure: RegistryFailure; readonly path: string; readonly at: number } | undefined
  /** Found last. */
  #last: SchemaName | undefined

  constructor(options: SchemaRegistryOptions, clock: Pick<Clock, 'monotonic'>) {
    this.#options = options
    this.#clock = clock
    this.#rate = new RateLimit(REQUESTS_PER_SECOND, () => clock.monotonic())
  }

  /** Rejects with `LR_UNREACHABLE` while the registry cannot be asked. */
  find(name: SchemaName): Schema | Promise<Schema> {
    const key = describeSchema(name)
    const known = this.#known.get(key)
    if (known !== undefined) {
      this.#known.delete(key)
      this.#known.set(key, known)
      return known.schema
    }
    if (this.#clock.monotonic() - this.#absentSince > ABSENT_MS) {
      this.#absent.clear()
      this.#absentSince = this.#clock.monotonic()
    }
    const absent = this.#absent.get(key)
    if (absent !== undefined) return absent
    const asked = this.#asked.get(key) ?? this.#ask(name).finally(() => this.#asked.delete(key))
    this.#asked.set(key, asked)
    return asked
  }

  /**
   * Asks whether it answers, also for schemas: for these, else for one that a record has needed. A registry may tell everybody what
   * it is, and nobody what it holds. Never throws.
   */
  async look(names?: readonly SchemaName[]): Promise<SchemaRegistryFacts> {
    const { url } = this.#options
    const wanted = (names ?? []).slice(0, LOOKED_UP_MAX)
    const paths = wanted.length > 0 ? wanted.map(pathOf) : [pathOf(this.#last ?? ANY_SCHEMA)]
    let looked: { asked: string; failure: RegistryFailure | undefined } = { asked: '', failure: undefined }
    for (const asked of ['schemas/types', ...paths]) {
      looked = { asked, failure: failureOf(judge(await this.#fetch(asked)), wanted.length > 0, asked) }
      if (looked.failure !== undefined) break
    }
    const failed = this.#failed
    // Whoever names schemas reads for people alone, and nothing waits for it.
    if (names === undefined && failed !== undefined && this.#clock.monotonic() - failed.at < AWAITED_MS)
      return { url, isAwaited: true, failure: failed.failure, asked: failed.path, unusable: [] }
    const unusable = looked.failure === undefined ? await this.#unusableOf(wanted) : []
    return { url, isAwaited: false, ...looked, unusable }
  }

  async #unusableOf(names: readonly SchemaName[]): Promise<SchemaRegistryFacts['unusable']> {
    const found: { schema: string; problem: string }[] = []
    for (const name of names) {
      try {
        const schema = await this.find(name)
        if (schema.kind === 'unusable') found.push({ schema: describeSchema(name), problem: schema.problem })
      } catch {
        // It has just answered; the next look tells.
      }
    }
    return found
  }

  async #ask(name: SchemaName): Promise<Schema> {
    const found = await this.#schemaAt(pathOf(name))
    const read = typeof found === 'string' ? found : await this.#read(found)
    if (typeof read === 'string') {
      const schema: Schema = { kind: 'unusable', problem: read }
      this.#absent.set(describeSchema(name), schema)
      return schema
    }
    this.#keep(describeSchema(name), read)
    this.#last = name
    return read.schema
  }

  #keep(key: string, known: Known): void {
    this.#known.set(key, known)
    this.#characters += known.characters
    for (const [oldest, { characters }] of this.#known) {
      if (this.#known.size <= SCHEMAS_MAX && this.#characters <= CHARACTERS_MAX) return
      this.#known.delete(oldest)
      this.#characters -= characters
    }
  }

  /** What a schema is; or why nothing can be read with it until somebody changes that. */
  async #read(found: Found): Promise<Known | string> {
    const { schema: text, type } = found
    const unusable = (problem: string): Known => ({ schema: { kind: 'unusable', problem }, characters: 100 })
    if (type === 'JSON') return { schema: { kind: 'json' }, characters: 100 }
    if (type === 'PROTOBUF')
      return unusable(
        'is of Protobuf, which the relay does not read; write Avro, JSON Schema or JSON instead',
      )
    if (type !== 'AVRO')
      return unusable(`is of the type ${printable(type.slice(0, 40))}, which the relay does not read`)
    const referenced = new Map<string, string>()
    const problem = await this.#resolve(found, referenced, new Set(), text.length)
    if (problem !== undefined) return problem
    const compiled = compileAvro(text, [...referenced.values()])
    if (compiled.kind === 'unusable') return unusable(`is not valid Avro, or too large: ${compiled.problem}`)
    const characters = [...referenced.values()].reduce((sum, { length }) => sum + length, text.length)
    return { schema: { kind: 'avro', type: compiled.type }, characters }
  }

  /** Adds what a schema refers to, each after what it refers to itself; what several refer to once. */
  async #resolve(
    { references }: Found,
    into: Map<string, string>,
    seen: Set<string>,
    characters: number,
  ): Promise<string | undefined> {
    let sum = characters
    for (const reference of references) {
      const { subject, version } = (reference ?? {}) as Record<string, unknown>
      if (typeof subject !== 'string' || typeof version !== 'number')
        return 'has a reference without subject and version'
      const path = `subjects/${encodeURIComponent(subject)}/versions/${version}`
      if (seen.has(path)) continue
      seen.add(path)
      if (seen.size > REFERENCES_MAX) return `refers to more than ${REFERENCES_MAX} others`
      const found = await this.#schemaAt(path)
      if (typeof found === 'string') return `refers to another that ${found}`
      sum += found.schema.length
      if (sum > LIMITS.bytesMax) return `has more than ${LIMITS.bytesMax} characters with what it refers to`
      const problem = await this.#resolve(found, into, seen, sum)
      if (problem !== undefined) return problem
      into.set(path, found.schema)
    }
    return undefined
  }

  /** A schema; or why there is none. Throws while the registry cannot be asked. */
  async #schemaAt(path: string): Promise<Found | string> {
    const last = this.#failed
    if (last !== undefined && this.#clock.monotonic() - last.at < REST_MS) throw this.#fault(last.failure)
    await this.#rate.take(1)
    const answer = judge(await this.#fetch(path))
    if (answer.kind === 'failed') throw this.#fail(answer.failure, path)
    // No such path: of an older registry without GUIDs, or of something else.
    if (answer.kind === 'doubtful' && judge(await this.#fetch('schemas/types')).kind !== 'found')
      throw this.#fail({ kind: 'no-registry' }, path)
    if (answer.kind === 'found') {
      // Some registries write what is missing as null.
      const { schema, schemaType, references: listed } = answer.content
      const [type, references] = [schemaType ?? 'AVRO', listed ?? []]
      if (typeof schema !== 'string' || typeof type !== 'string' || !Array.isArray(references))
        throw this.#fail({ kind: 'no-registry' }, path)
      this.#answered()
      return { schema, type: type.toUpperCase(), references }
    }
    this.#answered()
    return answer.kind === 'too-long'
      ? `has more than ${LIMITS.bytesMax} bytes`
      : 'is not in the schema registry'
  }

  #answered(): void {
    if (this.#failed === undefined) return
    this.#failed = undefined
    this.onChange()
  }

  #fail(failure: RegistryFailure, path: string): RelayFault {
    const isNew = this.#failed === undefined
    this.#failed = { failure, path, at: this.#clock.monotonic() }
    if (isNew) this.onChange()
    return this.#fault(failure)
  }

  #fault(failure: RegistryFailure): RelayFault {
    return new RelayFault(
      'LR_UNREACHABLE',
      `the schema registry ${this.#options.url} cannot be asked: ${describeFailure(failure)}`,
    )
  }

  async #fetch(path: string): Promise<DocumentAnswer> {
    const { url, username, password, tls } = this.#options
    const login = username !== undefined && Buffer.from(`${username}:${password}`).toString('base64')
    let ca: string | undefined
    try {
      // For every connection, to renew it without a restart.
      ca = tls.caFile === undefined ? undefined : readFileSync(tls.caFile, 'utf8')
    } catch (error) {
      return { kind: 'unreachable', code: 'LR_LOCAL', message: messageOf(error) }
    }
    return fetchDocument(`${url.replace(/\/$/, '')}/${path}`, LIMITS, {
      ca,
      authorization: login === false ? undefined : `Basic ${login}`,
    })
  }
}

function pathOf(name: SchemaName): string {
  return name.kind === 'id' ? `schemas/ids/${name.id}` : `schemas/guids/${name.guid}`
}

/** What is wrong with an answer; nothing where there may be no such schema, unless a record has it. */
function failureOf(answer: RegistryAnswer, isNeeded: boolean, path: string): RegistryFailure | undefined {
  switch (answer.kind) {
    case 'failed':
      return answer.failure
    case 'doubtful':
      if (path === 'schemas/types') return { kind: 'no-registry' }
      // An older registry has no GUIDs, and says of their path what any server says.
      return isNeeded && path.startsWith('schemas/guids')
        ? undefined
        : { kind: 'status', status: answer.status }
    case 'absent':
      return path === 'schemas/types' ? { kind: 'no-registry' } : undefined
    case 'too-long':
    case 'found':
      return undefined
    default:
      return answer satisfies never
  }
}
