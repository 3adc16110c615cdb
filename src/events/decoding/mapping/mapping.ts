import { isOutcomeType } from '../../outcome.ts'
import { cloudEventType, headerText, type WireHeaders, type WireRecord } from '../../wire-record.ts'
import { structuredType } from '../cloudevents-structured.ts'
import type { Decoded, Decoder, RecordKind } from '../decoder.ts'
import { isObject, type JsonResult, textOf } from '../envelope.ts'
import { isKnownType, kindOf, unread } from '../known-types.ts'
import { type Content, peel, plainText } from '../peel.ts'
import { at, renewBudget } from './functions.ts'
import { isTaken, type Rule, resultsOf, type Variables } from './rules.ts'

/** The rules for the records of some topics. */
export interface Mapping {
  /** Names; in a pattern `*` stands for any characters. */
  readonly topics: readonly string[]
  readonly rules: readonly Rule[]
  /** A JSON pointer to a list in the value, each of whose elements is a record of its own; a value without it is one. */
  readonly split?: string | undefined
}

const SNAPSHOT: Decoded = { kind: 'skipped', reason: 'snapshot' }
const UNMAPPED: Decoded = { kind: 'skipped', reason: 'unmapped' }
const TOPICS_MAX = 1_000
const ELEMENTS_MAX = 1_000

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
  }

  decode(
    record: WireRecord,
    headers: WireHeaders,
    content: () => JsonResult,
  ): Decoded | readonly Decoded[] | undefined {
    const mapping = this.#mappingFor(record.topic)
    if (mapping === undefined) return undefined
    const type = headerText(headers, 'ce_type')
    if (type !== undefined && isOwnType(type)) return undefined
    const parsed = content()
    if (parsed.kind === 'poison') return parsed
    const texts = textsOf(headers)
    const structured = structuredType(headerText(headers, 'content-type'))
    if (structured !== undefined && isObject(parsed.json) && isOwnType(String(parsed.json.type)))
      return undefined
    if (structured === undefined) return this.#map(mapping, peel(parsed.json, false), texts, record)
    const events = Array.isArray(parsed.json) ? parsed.json : [parsed.json]
    const found = events.flatMap((event) => this.#mapEvent(mapping, event, texts, record))
    return found.length === 1 ? found[0] : found
  }

  mayConcern(record: WireRecord, what?: RecordKind): boolean | undefined {
    const mapping = this.#mappingFor(record.topic)
    if (mapping === undefined) return undefined
    const type = cloudEventType(record)
    if (type !== undefined && isOwnType(type)) return undefined
    if (what === undefined) return true
    return mapping.rules.some(({ emit }) => emit.some((it) => kindOf(it.type) === what))
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
    return this.#map(mapping, peel(inner, false), texts, record)
  }

  #map(
    mapping: Mapping,
    { value, envelope, op, before }: Content,
    headers: Variables['headers'],
    record: WireRecord,
  ): Decoded | readonly Decoded[] {
    const elements = mapping.split === undefined ? undefined : at(value, mapping.split)
    if (Array.isArray(elements)) {
      if (elements.length > ELEMENTS_MAX)
        return { kind: 'poison', reason: `value: has ${elements.length} events, more than ${ELEMENTS_MAX}` }
      const one = { rules: mapping.rules, topics: mapping.topics }
      return elements.flatMap((it) => this.#map(one, peel(it, false), headers, record))
    }
    // What a table held before: those sessions may have ended long ago, and nothing has happened to them now.
    if (op === 'r') return SNAPSHOT
    if (value === null || value === undefined) return UNMAPPED
    const variables: Variables = {
      value,
      envelope: envelope ?? null,
      key: plainText(record.key?.toString('utf8')) ?? null,
      headers,
      topic: record.topic,
      op: op ?? '',
      before: before ?? null,
      timestamp: record.timestampMs,
      item: null,
    }
    renewBudget()
    for (const rule of mapping.rules) {
      if (!isTaken(rule, variables)) continue
      this.taken.set(rule, (this.taken.get(rule) ?? 0) + 1)
      const results = resultsOf(rule, variables)
      if (results.length === 0) return UNMAPPED
      return results.length === 1 ? (results[0] as Decoded) : results
    }
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

/** Whether the name, in which `*` stands for any characters, is that topic's. */
export function isTopic(name: string, topic: string): boolean {
  if (!name.includes('*')) return name === topic
  const [first = '', ...rest] = name.split('*')
  const last = rest.pop() ?? ''
  if (topic.length < first.length + last.length || !topic.startsWith(first) || !topic.endsWith(last))
    return false
  let from = first.length
  for (const part of rest) {
    const found = topic.indexOf(part, from)
    if (found === -1 || found + part.length > topic.length - last.length) return false
    from = found + part.length
  }
  return true
}

/** What the relay reads or writes itself, on whatever topic. */
function isOwnType(type: string): boolean {
  return isKnownType(type) || isOutcomeType(type)
}

function textsOf(headers: WireHeaders): Record<string, string> {
  const texts: Record<string, string> = {}
  for (const name in headers) {
    const text = plainText(headerText(headers, name))
    if (text !== undefined) texts[name] = text
  }
  return texts
}
