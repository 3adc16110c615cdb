import { Environment } from '@marcbachmann/cel-js'
import { at, base64, first, json, text, time } from './functions.ts'
import { capture, isMatch, patternOf } from './patterns.ts'
import type { Expression } from './rules.ts'

export type CompiledExpression =
  | { readonly kind: 'compiled'; readonly evaluate: Expression; readonly type: string }
  | { readonly kind: 'invalid'; readonly problem: string }

/** Lists that are gone through within another: what they cost would grow with the square of a record. */
const LOOPS = new Set<unknown>(['all', 'exists', 'exists_one', 'existsOne', 'map', 'filter'])
const LONG_CALLS = new Set<unknown>(['contains', 'split', 'join', 'indexOf', 'lastIndexOf', 'sum', 'replace'])
const LIMITS = {
  maxAstNodes: 2_000,
  maxDepth: 64,
  maxListElements: 500,
  maxMapEntries: 500,
  maxCallArguments: 16,
}
const PROBLEM_CHARACTERS_MAX = 200

const environment = new Environment({
  homogeneousAggregateLiterals: false,
  enableOptionalTypes: true,
  limits: LIMITS,
})
  .registerVariable('value', 'dyn')
  .registerVariable('envelope', 'dyn')
  .registerVariable('key', 'dyn')
  .registerVariable('headers', 'map<string, string>')
  .registerVariable('topic', 'string')
  .registerVariable('op', 'string')
  .registerVariable('before', 'dyn')
  .registerVariable('timestamp', 'double')
  .registerVariable('item', 'dyn')
  .registerFunction('json(dyn): dyn', json)
  .registerFunction('capture(dyn, string): dyn', capture)
  .registerFunction('isMatch(dyn, string): bool', isMatch)
  .registerFunction('base64(dyn): dyn', base64)
  .registerFunction('time(dyn): dyn', time)
  .registerFunction('text(dyn): dyn', text)
  .registerFunction('at(dyn, string): dyn', at)
  .registerFunction('first(dyn, dyn): dyn', first)
  .registerFunction('first(dyn, dyn, dyn): dyn', first)

/** Reads and type-checks an expression in CEL. */
export function compileExpression(source: string): CompiledExpression {
  let parsed: ReturnType<typeof environment.parse>
  try {
    parsed = environment.parse(source)
  } catch (error) {
    return invalid(error)
  }
  const problem = problemOfCalls(parsed.ast)
  if (problem !== undefined) return { kind: 'invalid', problem }
  const { valid, type, error } = parsed.check()
  if (!valid) return invalid(error)
  return { kind: 'compiled', evaluate: parsed as Expression, type: String(type) }
}

/** The message's later lines draw the place in the source. */
function invalid(error: unknown): CompiledExpression {
  const [problem = ''] = (error instanceof Error ? error.message : String(error)).split('\n')
  return { kind: 'invalid', problem: problem.slice(0, PROBLEM_CHARACTERS_MAX) }
}

interface CallNode {
  readonly op?: unknown
  readonly args?: unknown
}

/**
 * What is wrong with the calls in an expression, before its macros are looked into. CEL's own `matches` runs a pattern that may take
 * years for one text; ours wants its pattern written out, so that it is compiled once and its mistakes are found here.
 */
function problemOfCalls(node: unknown, isInLoop = false): string | undefined {
  if (typeof node !== 'object' || node === null) return undefined
  if (Array.isArray(node)) return firstProblem(node, isInLoop)
  const { op, args } = node as CallNode
  if (isInLoop) {
    const problem = problemInLoop(node as CallNode)
    if (problem !== undefined) return problem
  }
  if ((op === 'call' || op === 'rcall') && Array.isArray(args)) {
    const [name] = args
    const given = (op === 'call' ? args[1] : args[2]) as readonly unknown[]
    if (name === 'matches') return 'matches() has no bound on its time here; write isMatch(text, "pattern")'
    if (name === 'capture' || name === 'isMatch') {
      const problem = problemOfPattern(name, given.at(-1) as CallNode | undefined)
      if (problem !== undefined) return problem
    }
    if (op === 'rcall' && LOOPS.has(name)) {
      if (isInLoop)
        return `${String(name)}() stands within another loop; go through the outer list with \`for\``
      return problemOfCalls(args[1]) ?? firstProblem(given, true)
    }
  }
  return firstProblem(Array.isArray(args) ? args : [args], isInLoop)
}

function firstProblem(nodes: readonly unknown[], isInLoop: boolean): string | undefined {
  for (const node of nodes) {
    const problem = problemOfCalls(node, isInLoop)
    if (problem !== undefined) return problem
  }
  return undefined
}

/** What takes as long as a text or list is, for each element of a list. */
function problemInLoop({ op, args }: CallNode): string | undefined {
  const operands = Array.isArray(args) ? (args as readonly (CallNode | undefined)[]) : []
  const isWritten = operands.some((it) => it?.op === 'value' || it?.op === 'list')
  if ((op === 'in' || op === '+') && !isWritten)
    return `${op} within a loop must have one side written out: what it costs would grow with the square of a record`
  if ((op === 'rcall' || op === 'call') && LONG_CALLS.has(operands[0]))
    return `${String(operands[0])}() may not stand within a loop; write isMatch(text, "pattern")`
  return undefined
}

function problemOfPattern(name: string, node: CallNode | undefined): string | undefined {
  if (node?.op !== 'value' || typeof node.args !== 'string')
    return `the pattern of ${name}() must be written out as a text`
  try {
    patternOf(node.args)
    return undefined
  } catch (error) {
    return `the pattern of ${name}() is not valid: ${error instanceof Error ? error.message : ''}`
  }
}
