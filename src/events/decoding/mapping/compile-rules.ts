import { type CompiledExpression, compileExpression } from './expression.ts'
import { namesIn } from './functions.ts'
import type { ExpressionNode } from './metering.ts'
import { memberOf } from './readable.ts'
import {
  type Discriminator,
  type Emit,
  type EmitEntry,
  type Expression,
  type FieldEntry,
  fieldOf,
  RecordPart,
  type Rule,
  type RuleEntry,
  type RuleProblem,
  type Variables,
} from './rules.ts'

/** A field that is the same for every record. */
export interface ConstantField {
  readonly path: RuleProblem['path']
  readonly type: Emit['type']
  readonly name: string
  readonly value: unknown
}

interface CompiledRules {
  readonly rules: readonly Rule[]
  /** Every one, with the path to it. */
  readonly problems: readonly RuleProblem[]
  /** For whoever knows what a field may be. */
  readonly constants: readonly ConstantField[]
}

type Compiled = Extract<CompiledExpression, { kind: 'compiled' }>

const NO_RECORD: Variables = {
  ...{ value: null, envelope: null, key: null, headers: {}, topic: '', op: '', before: null },
  ...{ timestamp: 0, item: null },
}
const TEXT = { types: ['string'], called: 'a text' }
const TIME = { types: ['string', 'double', 'int'], called: 'a time' }
const BOOLEAN = { types: ['bool'], called: 'true or false' }
const KINDS: Readonly<Record<string, typeof TEXT>> = {
  time: TIME,
  registeredAt: TIME,
  sessionRequired: BOOLEAN,
}
/** Of which a discriminator may be a part. */
const CONDITIONS = new Set(['&&', '==', 'in'])
/** They are no data of the record. */
const APART = new Set(['id', 'time', 'cutOff'])
/** They tell one event from another. */
const OF_EVENT = new Set(['sessionId', 'userId', 'sub', 'sid', 'id', 'time', 'cutOff', 'registeredAt'])

/** Compiles and type-checks rules. `isGoingOn`: others stand below them. */
export function compileRules(entries: readonly RuleEntry[], isGoingOn = false): CompiledRules {
  const compiler = new Compiler()
  const rules = entries.map((it, i) => compiler.rule(it, i, isGoingOn || i < entries.length - 1))
  return { rules, ...compiler }
}

class Compiler {
  readonly problems: RuleProblem[] = []
  readonly constants: ConstantField[] = []
  readonly #parts = new Map<string, RecordPart>()
  /** The rules by their conditions. */
  readonly #conditions = new Map<string, string>()
  /** Fields of the rule at hand that name the element of its list. */
  #itemUses = 0

  rule({ name, when, each, cause, emit }: RuleEntry, i: number, isGoingOn: boolean): Rule {
    const condition = this.#compile(when, [i, 'when'], 'bool')
    const above = this.#conditions.get(when.trim())
    if (above === undefined) this.#conditions.set(when.trim(), name)
    else
      this.problems.push({ path: [i, 'when'], text: `is that of the rule ${above}, which takes the record` })
    this.#expectNoItem(condition, [i, 'when'], 'is evaluated once for the record')
    if (condition?.isConstant) {
      const isMet = fieldOf(condition.evaluate, NO_RECORD) === true
      if (!isMet) this.problems.push({ path: [i, 'when'], text: 'is never met' })
      else if (isGoingOn)
        this.problems.push({ path: [i, 'when'], text: 'takes every record; no rule below it is ever used' })
    }
    const [constantsBefore, problemsBefore] = [this.constants.length, this.problems.length]
    const list = each === undefined ? undefined : this.#compile(each, [i, 'for'], 'list')
    this.#expectNoItem(list, [i, 'for'], 'is an element of this list')
    this.#itemUses = 0
    const emitted = emit.map((it) => this.#emit(it, i, each !== undefined))
    if (list !== undefined && this.#itemUses === 0 && this.problems.length === problemsBefore)
      this.problems.push({
        path: [i, 'for'],
        text: 'has no effect: no field reads its elements, which are `item`',
      })
    return {
      name,
      cause,
      discriminator: condition && this.#discriminator(when, condition.tree),
      when: condition?.evaluate ?? nothing,
      each: each === undefined ? undefined : (list?.evaluate ?? nothing),
      emit: emitted,
      issuers: this.constants
        .slice(constantsBefore)
        .flatMap((it) => (it.name === 'issuer' ? String(it.value) : [])),
    }
  }

  #emit({ type, fields, path }: EmitEntry, i: number, isRepeated: boolean): Emit {
    const read = Object.entries(fields).map(([field, entry]) => {
      const of = { type, name: field, path: [i, ...path, field], isRepeated }
      return [field, this.#field(entry, of)] as const
    })
    const find = (field: string) => read.find(([it]) => it === field)?.[1]
    return {
      type,
      fields: read.filter(([field]) => !APART.has(field)),
      time: find('time'),
      cutOff: find('cutOff'),
      id: find('id'),
    }
  }

  #expectNoItem(compiled: Compiled | undefined, path: RuleProblem['path'], why: string): void {
    if (compiled?.isOfItem === true) this.problems.push({ path, text: `cannot name item: it ${why}` })
  }

  #compile(
    source: string,
    path: RuleProblem['path'],
    type?: string,
    isRepeated = false,
  ): Compiled | undefined {
    const compiled = compileExpression(source, isRepeated)
    if (compiled.kind === 'invalid') {
      this.problems.push({ path, text: compiled.problem })
      return undefined
    }
    if (type !== undefined && compiled.type !== type && compiled.type !== 'dyn')
      this.problems.push({ path, text: `must be a ${type}, and is a ${compiled.type}` })
    return compiled
  }

  #field(entry: FieldEntry, of: Omit<ConstantField, 'value'> & { readonly isRepeated: boolean }): Expression {
    const { path } = of
    if (Array.isArray(entry)) {
      const all = entry.map((it, k) => {
        const before = this.constants.length
        const read = this.#field(it, { ...of, path: [...path, k] })
        if (k < entry.length - 1 && this.constants.length > before)
          this.problems.push({
            path: [...path, k],
            text: 'has always a value, so what stands behind it has no effect',
          })
        return read
      })
      return (variables) => {
        for (const read of all) {
          const found = fieldOf(read, variables)
          if (found !== undefined) return found
        }
        return undefined
      }
    }
    if (typeof entry !== 'string') {
      if (this.#expect(typeof entry === 'boolean' ? 'bool' : 'double', of)) this.#constant(entry, of)
      return () => entry
    }
    if (entry.startsWith('/')) {
      if (/~(?![01])/.test(entry))
        this.problems.push({ path, text: 'is no JSON pointer: write ~ as ~0, and / within a name as ~1' })
      const names = namesIn(entry)
      return ({ value }) => memberOf(value, names)
    }
    const compiled = this.#compile(entry, path, undefined, of.isRepeated)
    if (compiled === undefined) return nothing
    if (compiled.isOfItem) this.#itemUses++
    if (!of.isRepeated)
      this.#expectNoItem(compiled, path, 'is an element of the list in for, which the rule lacks')
    const isExpected = this.#expect(compiled.type, of)
    if (isExpected && compiled.isConstant) this.#constant(fieldOf(compiled.evaluate, NO_RECORD), of)
    return compiled.evaluate
  }

  #expect(type: string, { name, path }: Pick<ConstantField, 'name' | 'path'>): boolean {
    const { types, called } = KINDS[name] ?? TEXT
    if (type === 'dyn' || types.includes(type)) return true
    const remedy = type.startsWith('optional') ? '; add .orValue(null)' : ''
    this.problems.push({ path, text: `must be ${called}, and is a ${type}${remedy}` })
    return false
  }

  #constant(value: unknown, { path, type, name }: Omit<ConstantField, 'value'>): void {
    if (OF_EVENT.has(name)) this.problems.push({ path, text: 'is the same for every record' })
    else this.constants.push({ path, type, name, value })
  }

  /** Of conditions that must all be met the first that wants one of a few texts. */
  #discriminator(source: string, node: ExpressionNode): Discriminator | undefined {
    if (!CONDITIONS.has(node.op)) return undefined
    const [left, right] = node.args as readonly [ExpressionNode, ExpressionNode]
    if (node.op === '&&') return this.#discriminator(source, left) ?? this.#discriminator(source, right)
    const written = node.op === '==' ? [right] : node.op === 'in' && right.op === 'list' ? right.args : []
    const values = (written as readonly ExpressionNode[]).map((it) => it.op === 'value' && it.args)
    if (values.length === 0 || !values.every((it) => typeof it === 'string')) return undefined
    const text = source.slice(left.start, left.end)
    const path = pathOf(left)
    if (path === undefined && left.op !== 'call') return undefined
    let part = this.#parts.get(text)
    if (part === undefined) {
      const read = path === undefined ? this.#compile(text, [])?.evaluate : undefined
      part = new RecordPart(read ?? (({ value }) => memberOf(value, path ?? [])))
      this.#parts.set(text, part)
    }
    return { part, values: new Set(values) }
  }
}

function nothing(): null {
  return null
}

/** The names of members in `value.a.b`; `undefined` for another expression. */
function pathOf({ op, args }: ExpressionNode): readonly string[] | undefined {
  if (op === 'id') return args === 'value' ? [] : undefined
  if (op !== '.') return undefined
  const [of, name] = args as readonly [ExpressionNode, string]
  const above = pathOf(of)
  return above === undefined ? undefined : [...above, name]
}
