import { compileExpression } from './expression.ts'
import { at } from './functions.ts'
import {
  type Emit,
  type Expression,
  type FieldEntry,
  fieldOf,
  type Rule,
  type RuleEntry,
  type RuleProblem,
} from './rules.ts'

/** Compiles and type-checks rules; every problem with the path to it. */
export function compileRules(entries: readonly RuleEntry[]): { rules: Rule[]; problems: RuleProblem[] } {
  const problems: RuleProblem[] = []
  const rules = entries.map((entry, i): Rule => {
    const compile = (source: string, path: RuleProblem['path'], type?: string): Expression => {
      const compiled = compileExpression(source)
      if (compiled.kind === 'compiled') {
        const isOfType = type === undefined || compiled.type === type || compiled.type === 'dyn'
        if (!isOfType) problems.push({ path, text: `must be a ${type}, and is a ${compiled.type}` })
        return compiled.evaluate
      }
      problems.push({ path, text: compiled.problem })
      return nothing
    }
    const emit = entry.emit.map(({ type, fields }, j): Emit => {
      const read = Object.entries(fields).map(([name, field]) => {
        const path = [i, 'emit', ...(entry.emit.length > 1 ? [j] : []), name]
        return [name, compileField(field, (source) => compile(source, path))] as const
      })
      const find = (name: string) => read.find(([it]) => it === name)?.[1]
      return {
        type,
        fields: read.filter(([name]) => name !== 'time' && name !== 'id'),
        time: find('time'),
        id: find('id'),
      }
    })
    return {
      name: entry.name,
      when: compile(entry.when, [i, 'when'], 'bool'),
      each: entry.each === undefined ? undefined : compile(entry.each, [i, 'for'], 'list'),
      cause: entry.cause,
      emit,
    }
  })
  return { rules, problems }
}

function nothing(): null {
  return null
}

function compileField(field: FieldEntry, compile: (source: string) => Expression): Expression {
  if (Array.isArray(field)) {
    const all = field.map((it) => compileField(it, compile))
    return (variables) => {
      for (const read of all) {
        const found = fieldOf(read, variables)
        if (found !== undefined) return found
      }
      return undefined
    }
  }
  if (typeof field !== 'string') return () => field
  if (field.startsWith('/')) return ({ value }) => at(value, field)
  return compile(field)
}
