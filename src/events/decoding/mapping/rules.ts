import type { Decoded } from '../decoder.ts'
import { textOf } from '../envelope.ts'
import { type KnownType, kindOf } from '../known-types.ts'
import { charge, isSpent } from './budget.ts'
import { text, time } from './functions.ts'

/** Why a session or all sessions of a user end. */
export const causes = ['logout', 'expired', 'disabled', 'deleted', 'password'] as const
export type Cause = (typeof causes)[number]

/** What an expression may name. */
export interface Variables {
  /** The value of the record, without its envelopes. */
  value: unknown
  /** The envelope around it, where it said more than its payload; else null. */
  envelope: unknown
  /** The key as text; null without one. */
  key: string | null
  /** Texts; of a repeated header the first. */
  headers: Readonly<Record<string, string>>
  topic: string
  /** Of a change record, such as `c`; else empty. */
  op: string
  /** The row before the change; else null. */
  before: unknown
  /** The record's own time, milliseconds since the epoch. */
  timestamp: number
  /** The element that is looked at, where a rule goes through a list; else null. */
  item: unknown
}

export type Expression = (variables: Variables) => unknown

/** A JSON pointer into the value, an expression, a constant, or several of which the first with a value counts. */
export type FieldEntry = string | boolean | number | readonly (string | boolean | number)[]

export interface EmitEntry {
  readonly type: KnownType
  /** Within its rule. */
  readonly path: RuleProblem['path']
  readonly fields: Readonly<Record<string, FieldEntry>>
}

/** A rule as it is written. */
export interface RuleEntry {
  readonly name: string
  readonly when: string
  /** A list; the rule's results are made for each of its elements. */
  readonly each?: string | undefined
  readonly cause?: Cause | undefined
  /** Nothing: what the rule takes is skipped. */
  readonly emit: readonly EmitEntry[]
}

export interface RuleProblem {
  readonly path: readonly (string | number)[]
  readonly text: string
}

export interface Emit {
  readonly type: KnownType
  readonly fields: readonly (readonly [name: string, read: Expression])[]
  readonly time: Expression | undefined
  /** Of a session id that is used again: logins that were made later are not meant. */
  readonly cutOff: Expression | undefined
  readonly id: Expression | undefined
}

/**
 * What a condition asks of one part of a record. The part is read once for all the rules that ask for it, so that most of them cost next to nothing.
 */
export interface Discriminator {
  readonly part: RecordPart
  /** With none of them the condition is not met, whatever else it says. */
  readonly values: ReadonlySet<unknown>
}

/** A part of a record. */
export class RecordPart {
  readonly #read: Expression
  #variables: Variables | undefined
  #found: unknown

  constructor(read: Expression) {
    this.#read = read
  }

  /** `undefined` where the record has none. */
  of(variables: Variables): unknown {
    if (this.#variables === variables) return this.#found
    this.#variables = variables
    // As it stands: an empty text may be what a condition asks for.
    try {
      this.#found = this.#read(variables)
    } catch {
      charge(UNITS_PER_FAILURE)
      this.#found = undefined
    }
    return this.#found
  }
}

export interface Rule {
  readonly name: string
  /** It comes with the relay. */
  readonly isOfPreset?: boolean
  readonly discriminator: Discriminator | undefined
  readonly when: Expression
  readonly each: Expression | undefined
  readonly cause: Cause | undefined
  readonly emit: readonly Emit[]
  /** Those that it names as constants, as records would. */
  readonly issuers: readonly string[]
}

const ELEMENTS_MAX = 1_000
/** To begin an expression, and to leave it by an error. */
const UNITS_PER_EXPRESSION = 100
const UNITS_PER_FAILURE = 1_000
/** Of a registration that names no login of its own: one per client and session, so that a repeated login replaces it. */
const OIDC_SESSION_ID = 'oidcSessionId'

/** `undefined` for a field that the record lacks, which an expression cannot read. */
export function fieldOf(read: Expression, variables: Variables): unknown {
  try {
    const found = read(variables)
    return found === null || found === '' ? undefined : found
  } catch {
    charge(UNITS_PER_FAILURE)
    return undefined
  }
}

/** Whether the rule takes the record. A condition on a field that the record lacks is not met. */
export function isTaken({ discriminator, when }: Rule, variables: Variables): boolean {
  if (discriminator !== undefined && !discriminator.values.has(discriminator.part.of(variables))) return false
  charge(UNITS_PER_EXPRESSION)
  try {
    return when(variables) === true
  } catch {
    charge(UNITS_PER_FAILURE)
    return false
  }
}

/** What the rule makes of a record that it takes. */
export function resultsOf(rule: Rule, variables: Variables): readonly Decoded[] {
  if (rule.each === undefined) return rule.emit.map((emit) => resultOf(rule, emit, variables))
  const elements = fieldOf(rule.each, variables)
  const list = elements instanceof Set ? [...elements] : elements
  if (!Array.isArray(list))
    return [{ kind: 'poison', rule: rule.name, reason: `rule ${rule.name}: for: is no list in this record` }]
  if (list.length > ELEMENTS_MAX)
    return [
      {
        kind: 'poison',
        rule: rule.name,
        reason: `rule ${rule.name}: for: has ${list.length} elements, more than ${ELEMENTS_MAX}`,
      },
    ]
  const results: Decoded[] = []
  for (const item of list) {
    // Nothing counts any more of a record that costs too much.
    if (isSpent()) break
    variables.item = item ?? null
    for (const emit of rule.emit) results.push(resultOf(rule, emit, variables))
  }
  variables.item = null
  return results
}

function resultOf({ name, cause }: Rule, emit: Emit, variables: Variables): Decoded {
  const data: Record<string, unknown> = {}
  charge(UNITS_PER_EXPRESSION * emit.fields.length)
  for (const [field, read] of emit.fields) {
    const found = fieldOf(read, variables)
    // Some platforms count their ids.
    if (found === undefined) continue
    if (field === 'registeredAt') data[field] = time(found) ?? found
    else data[field] = typeof found === 'boolean' ? found : (text(found) ?? found)
  }
  if (emit.type === 'backchannel-logout-registered') data[OIDC_SESSION_ID] ??= data.clientId
  else if (cause !== undefined && kindOf(emit.type) === 'trigger') data.reason ??= cause
  const timeOf = (read: Expression | undefined) =>
    read === undefined ? undefined : (time(fieldOf(read, variables)) ?? undefined)
  const { headers } = variables
  return {
    kind: 'envelope',
    type: emit.type,
    rule: name,
    id: emit.id === undefined ? undefined : (text(fieldOf(emit.id, variables)) ?? undefined),
    timeMs: timeOf(emit.time),
    cutOffMs: timeOf(emit.cutOff),
    traceparent: textOf(headers.traceparent),
    tracestate: textOf(headers.tracestate),
    data,
  }
}
