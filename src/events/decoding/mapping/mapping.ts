import { isUtf8 } from 'node:buffer'
import { isOutcomeType } from '../../outcome.ts'
import { isTopic } from '../../topic-selection.ts'
import type { WireHeaders, WireRecord } from '../../wire-record.ts'
import { decodeEvent, structuredType } from '../cloudevents-structured.ts'
import type { Decoded, Decoder } from '../decoder.ts'
import { isObject, type JsonResult, parseJson, textOf, VALUE_BYTES_MAX, withoutMark } from '../envelope.ts'
import { isKnownType, OLD_NEWS, unread } from '../known-types.ts'
import {
  type Content,
  isEvent,
  isNews,
  opBeside,
  peel,
  peelEvent,
  plainHeader,
  plainHeaderOf,
  plainText,
} from '../peel.ts'
import { isSpent, renewBudget } from './budget.ts'
import { at } from './functions.ts'
import { LEVELS_MAX, readable } from './readable.ts'
import { isTaken, type Rule, resultsOf, type Variables } from './rules.ts'

/** The rules for the records of some topics. */
export interface Mapping {
  /** Names; in a pattern `*` stands for any characters. */
  readonly topics: readonly string[]
  readonly rules: readonly Rule[]
  /** A JSON pointer to a list in the value, each of whose elements is a record of its own; a value without it is one. So is each of a list of values. */
  readonly split?: string | undefined
}

/** Rules read a payload with columns beside it themselves. */
const ROWS_STAY = { opensRows: false } as const
const UNMAPPED = { kind: 'skipped', reason: 'unmapped' } as const
const TOPICS_MAX = 1_000
const ELEMENTS_MAX = 1_000
/** `{` */
const OBJECT = 0x7b
const TOO_DEEP: Decoded = { kind: 'poison', reason: `value: is nested in more than ${LEVELS_MAX} levels` }

/**
 * Records of a platform with a format of its own, by rules that its operator has written. Its topics hold nothing else but
 * CloudEvents of the relay's own types, such as its outcomes.
 */
export class MappingDecoder implements Decoder {
  readonly name = 'mapping'
  #mappings: readonly Mapping[]
  readonly #byTopic = new Map<string, Mapping | undefined>()
  /** How many records each rule has taken since it was read. */
  readonly taken = new Map<Rule, number>()
  /** How many records of each mapping no rule has taken. */
  readonly untaken = new Map<Mapping, number>()

  constructor(mappings: readonly Mapping[] = []) {
    this.#mappings = mappings
  }

  get mappings(): readonly Mapping[] {
    return this.#mappings
  }

  /** From now on these hold. */
  use(mappings: readonly Mapping[]): void {
    this.#mappings = mappings
    this.#byTopic.clear()
    this.taken.clear()
    this.untaken.clear()
  }

  decode(
    record: WireRecord,
    headers: WireHeaders,
    content: () => JsonResult,
  ): Decoded | readonly Decoded[] | undefined {
    const mapping = this.#mappingFor(record.topic)
    if (mapping === undefined) return undefined
    const type = plainHeader(headers, 'ce_type')
    if (type !== undefined && isOwnType(type)) return undefined
    renewBudget()
    const parsed = content()
    const texts = textsOf(headers)
    if (parsed.kind === 'poison') {
      const lines = linesOf(record.value)
      return lines === undefined ? parsed : this.#mapLines(mapping, lines, texts, record)
    }
    const inside = peelEvent(parsed.json)
    const events = Array.isArray(inside) ? inside : [inside]
    // Not everybody says in the header that it is one.
    if (structuredType(headers) === undefined && !(events.length > 0 && events.every(isEvent)))
      return this.#read(mapping, parsed.json, texts, record)
    if (events.length > ELEMENTS_MAX) return tooMany(events.length)
    const found = events.flatMap((it) => this.#readEvent(mapping, peelEvent(it), texts, record))
    return found.length === 1 ? found[0] : found
  }

  mayConcern(record: WireRecord): boolean | undefined {
    if (this.#mappingFor(record.topic) === undefined) return undefined
    const type = plainHeaderOf(record, 'ce_type')
    if (type !== undefined && isOwnType(type)) return undefined
    // An event of the relay's own, of any type, may be in it.
    return true
  }

  /** Each line is a record of its own. */
  #mapLines(
    mapping: Mapping,
    lines: readonly string[],
    headers: Variables['headers'],
    record: WireRecord,
  ): readonly Decoded[] {
    if (lines.length > ELEMENTS_MAX) return [tooMany(lines.length)]
    return lines.flatMap((line): Decoded | readonly Decoded[] => {
      const parsed = parseJson(Buffer.from(line))
      return parsed.kind === 'poison' ? parsed : this.#read(mapping, parsed.json, headers, record)
    })
  }

  /** What a record, or a part of one, holds: a CloudEvent or what the platform writes. */
  #read(
    mapping: Mapping,
    json: unknown,
    headers: Variables['headers'],
    record: WireRecord,
    around?: unknown,
  ): Decoded | readonly Decoded[] {
    if (isEvent(json)) return this.#readEvent(mapping, peelEvent(json), headers, record)
    const op = opBeside(record.headers)
    return this.#map(mapping, peel(json, { ...ROWS_STAY, op }), headers, record, around)
  }

  #readEvent(
    mapping: Mapping,
    event: unknown,
    headers: Variables['headers'],
    record: WireRecord,
  ): Decoded | readonly Decoded[] {
    return isObject(event) && isOwnType(String(event.type))
      ? decodeEvent(event, record.headers)
      : this.#mapEvent(mapping, event, headers, record)
  }

  #mapEvent(
    mapping: Mapping,
    event: unknown,
    headers: Variables['headers'],
    record: WireRecord,
  ): Decoded | readonly Decoded[] {
    if (!isObject(event)) return { kind: 'poison', reason: 'value: must be a CloudEvent as a JSON object' }
    const { data, data_base64: encoded, ...attributes } = event
    const type = textOf(attributes.type)
    if (type !== undefined && isOutcomeType(type)) return unread(type)
    const texts = { ...headers }
    for (const [name, value] of Object.entries(attributes))
      if (typeof value === 'string') texts[`ce_${name}`] = value
    const inner = typeof encoded === 'string' ? Buffer.from(encoded, 'base64').toString('utf8') : data
    const op = textOf(attributes.iodebeziumop)
    return this.#map(mapping, peel(inner, { ...ROWS_STAY, op }), texts, record)
  }

  #map(
    mapping: Mapping,
    { value, envelope, op, before }: Content,
    headers: Variables['headers'],
    record: WireRecord,
    /** What an element of a list is a part of. */
    around?: unknown,
  ): Decoded | readonly Decoded[] {
    const elements = around === undefined ? elementsOf(value, mapping.split) : undefined
    if (elements !== undefined) {
      if (elements.length > ELEMENTS_MAX) return tooMany(elements.length)
      return elements.flatMap((it) => this.#read(mapping, it.value, headers, record, it.around))
    }
    // What a table held before: those sessions may have ended long ago, and nothing has happened to them now.
    if (op === 'r') return OLD_NEWS
    if (value === null || value === undefined) return UNMAPPED
    const [after, earlier, outer] = [readable(value), readable(before ?? null), readable(envelope ?? null)]
    if (after === undefined || earlier === undefined || outer === undefined) return TOO_DEEP
    const variables: Variables = {
      value: after,
      before: earlier,
      envelope: outer ?? around ?? null,
      key: plainText(record.key?.toString('utf8')) ?? null,
      headers,
      topic: record.topic,
      op: op ?? '',
      timestamp: record.timestampMs,
      item: null,
    }
    for (const rule of mapping.rules) {
      // Presets read events, which do not change: an old one that is deleted happens no second time.
      if (rule.isOfPreset === true && !isNews({ op })) continue
      const isMine = isTaken(rule, variables)
      // What was not looked at may be a logout.
      if (isSpent()) return tooCostly(rule)
      if (!isMine) continue
      this.taken.set(rule, (this.taken.get(rule) ?? 0) + 1)
      const results = resultsOf(rule, variables)
      if (isSpent()) return tooCostly(rule)
      if (results.length === 0) return { ...UNMAPPED, rule: rule.name }
      return results.length === 1 ? (results[0] as Decoded) : results
    }
    this.untaken.set(mapping, (this.untaken.get(mapping) ?? 0) + 1)
    return UNMAPPED
  }

  #mappingFor(topic: string): Mapping | undefined {
    const known = this.#byTopic.get(topic)
    if (known !== undefined || this.#byTopic.has(topic)) return known
    const found = this.#mappings.find(({ topics }) => topics.some((it) => isTopic(it, topic)))
    if (this.#byTopic.size < TOPICS_MAX) this.#byTopic.set(topic, found)
    return found
  }
}

interface Element {
  readonly value: unknown
  /** What its list stands in, read once for all of the list: it may be large. */
  readonly around: unknown
}

/** A value that is a list where lists are expected further down is one of whole values: a job has read several at a time. */
function elementsOf(value: unknown, split: string | undefined): readonly Element[] | undefined {
  if (split === undefined) return undefined
  const found = elementsAt(value, split)
  if (found !== undefined || !Array.isArray(value)) return found
  return value.flatMap((it) => elementsAt(peel(it, ROWS_STAY).value, split) ?? { value: it, around: null })
}

function elementsAt(value: unknown, split: string): readonly Element[] | undefined {
  const found = at(value, split)
  if (!Array.isArray(found)) return undefined
  const around = readable(value) ?? null
  return found.map((it) => ({ value: it, around }))
}

function tooMany(count: number): Decoded {
  return { kind: 'poison', reason: `value: has ${count} events, more than ${ELEMENTS_MAX}` }
}

function tooCostly({ name }: Rule): Decoded {
  return {
    kind: 'poison',
    rule: name,
    reason: `rule ${name}: takes too long for this record; look at fewer elements, or at shorter texts`,
  }
}

/** Several lines of which the first is an object; `undefined` for any other text. */
function linesOf(value: Buffer | null): string[] | undefined {
  if (value === null || value.length > VALUE_BYTES_MAX) return undefined
  const text = withoutMark(value)
  if (text[0] !== OBJECT || !isUtf8(text)) return undefined
  const lines = text
    .toString('utf8')
    .split('\n')
    .filter((line) => line.trim() !== '')
  return lines.length > 1 && parseJson(Buffer.from(lines[0] ?? '')).kind === 'json' ? lines : undefined
}

/** What the relay reads or writes itself, on whatever topic. */
function isOwnType(type: string): boolean {
  return isKnownType(type) || isOutcomeType(type)
}

function textsOf(headers: WireHeaders): Record<string, string> {
  const texts: Record<string, string> = {}
  for (const name in headers) {
    const text = plainHeader(headers, name)
    if (text !== undefined) texts[name] = text
  }
  return texts
}
