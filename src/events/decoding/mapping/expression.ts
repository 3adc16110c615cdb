import { Environment } from '@marcbachmann/cel-js'
import { looped, sized } from './budget.ts'
import { at, base64, first, json, text, time } from './functions.ts'
import { type ExpressionNode, isWritten, LOOPS, metered } from './metering.ts'
import { capture, isMatch, patternOf } from './patterns.ts'
import type { Expression } from './rules.ts'

export type CompiledExpression =
  | {
      readonly kind: 'compiled'
      readonly evaluate: Expression
      readonly type: string
      readonly tree: ExpressionNode
      /** It says the same of every record. */
      readonly isConstant: boolean
      /** It names the element of the list that its rule goes through. */
      readonly isOfItem: boolean
    }
  | { readonly kind: 'invalid'; readonly problem: string }

const OWN = ['json', 'capture', 'isMatch', 'base64', 'time', 'text', 'at', 'first']
/** What an expression may call: what is missing has no bound on its time, or no use in a rule. */
const FUNCTIONS = new Set([...OWN, 'has', 'size', 'string', 'int', 'double', 'bool', 'type'])
const OPTIONAL = ['orValue', 'or', 'hasValue', 'value', 'of', 'none']
const TEXT = ['startsWith', 'endsWith', 'contains', 'split', 'join', 'substring', 'trim', 'lowerAscii']
const METHODS = new Set([...LOOPS, ...OPTIONAL, ...TEXT, 'upperAscii', 'size'])
/** Their last argument must be written out: it is compiled once, or would be looked for at each place of a text. */
const WRITTEN = new Set(['capture', 'isMatch', 'contains', 'split', 'join'])
const VARIABLES = {
  value: 'dyn',
  envelope: 'dyn',
  key: 'dyn',
  headers: 'map<string, string>',
  topic: 'string',
  op: 'string',
  before: 'dyn',
  timestamp: 'double',
  item: 'dyn',
} as const
const PROBLEM_CHARACTERS_MAX = 200

const environment = environmentWith(2_000, 64)
/** For what is printed of expressions that have passed. */
const meteredEnvironment = environmentWith(10_000, 512)
  .registerFunction('sized(dyn): dyn', sized, { async: false })
  .registerFunction('looped(dyn, int): dyn', looped, { async: false })

function environmentWith(maxAstNodes: number, maxDepth: number): Environment {
  const limits = { maxAstNodes, maxDepth, maxListElements: 500, maxMapEntries: 500, maxCallArguments: 16 }
  const made = new Environment({ homogeneousAggregateLiterals: false, enableOptionalTypes: true, limits })
  for (const [name, type] of Object.entries(VARIABLES)) made.registerVariable(name, type)
  return made
    .registerFunction('json(dyn): dyn', json, { async: false })
    .registerFunction('capture(dyn, string): dyn', capture, { async: false })
    .registerFunction('isMatch(dyn, string): bool', isMatch, { async: false })
    .registerFunction('base64(dyn): dyn', base64, { async: false })
    .registerFunction('time(dyn): dyn', time, { async: false })
    .registerFunction('text(dyn): dyn', text, { async: false })
    .registerFunction('at(dyn, string): dyn', at, { async: false })
    .registerFunction('first(dyn, dyn): dyn', first, { async: false })
    .registerFunction('first(dyn, dyn, dyn): dyn', first, { async: false })
}

/** Reads and type-checks an expression in CEL. `isRepeated`: it is evaluated for each element of a list. */
export function compileExpression(source: string, isRepeated = false): CompiledExpression {
  if (/^[#$\w.~-]+(\/[\w.~-]+)+$/.test(source))
    return {
      kind: 'invalid',
      problem: 'is no JSON pointer, which begins with /, and no division, which has blanks',
    }
  try {
    const parsed = environment.parse(source)
    const tree = parsed.ast as unknown as ExpressionNode
    const problem = problemOfCalls(tree)
    if (problem !== undefined) return { kind: 'invalid', problem }
    const { valid, type, error } = parsed.check()
    if (!valid) return invalid(error)
    const evaluated = meteredEnvironment.parse(metered(source, tree, isRepeated))
    // It has passed above; this is for what it leaves in the tree.
    const again = evaluated.check()
    if (!again.valid) return invalid(again.error)
    const isConstant = !namesAny(tree, Object.keys(VARIABLES))
    const isOfItem = namesAny(tree, ['item'])
    const evaluate = evaluated as Expression
    return { kind: 'compiled', evaluate, type: String(type), tree, isConstant, isOfItem }
  } catch (error) {
    return invalid(error)
  }
}

/** The message's later lines draw the place in the source. */
function invalid(error: unknown): CompiledExpression {
  const [problem = ''] = (error instanceof Error ? error.message : String(error)).split('\n')
  return { kind: 'invalid', problem: problem.slice(0, PROBLEM_CHARACTERS_MAX) }
}

function problemOfCalls(node: unknown): string | undefined {
  if (typeof node !== 'object' || node === null) return undefined
  if (Array.isArray(node)) return firstProblem(node)
  const { op, args } = node as ExpressionNode
  if ((op === 'call' || op === 'rcall') && Array.isArray(args)) {
    const name = String(args[0])
    const given = (op === 'call' ? args[1] : args[2]) as readonly ExpressionNode[]
    if (!(op === 'call' ? FUNCTIONS : METHODS).has(name)) {
      const instead = name === 'matches' ? 'write isMatch(text, "pattern")' : 'there are'
      const known = name === 'matches' ? '' : ` ${[...(op === 'call' ? FUNCTIONS : METHODS)].join(', ')}`
      return `${name}() is not to be had here; ${instead}${known}`
    }
    const pointer = name === 'at' ? given[1] : undefined
    if (pointer?.op === 'value' && !/^(\/|$)/.test(String(pointer.args)))
      return `at() takes a JSON pointer, which begins with /: write "/${String(pointer.args)}"`
    if (WRITTEN.has(name) && given.length > 0) {
      const problem = problemOfWritten(name, given.at(-1))
      if (problem !== undefined) return problem
    }
  }
  return firstProblem(Array.isArray(args) ? args : [args])
}

function firstProblem(nodes: readonly unknown[]): string | undefined {
  for (const node of nodes) {
    const problem = problemOfCalls(node)
    if (problem !== undefined) return problem
  }
  return undefined
}

function problemOfWritten(name: string, node: ExpressionNode | undefined): string | undefined {
  if (node === undefined || !isWritten(node)) return `what ${name}() looks for must be written out as a text`
  if (name !== 'capture' && name !== 'isMatch') return undefined
  try {
    patternOf(String(node.args))
    return undefined
  } catch (error) {
    return `the pattern of ${name}() is not valid: ${error instanceof Error ? error.message : ''}`
  }
}

/** A loop has a variable of its own, which hides one of that name in what it does with each element. */
function namesAny(node: unknown, names: readonly string[]): boolean {
  if (typeof node !== 'object' || node === null) return false
  if (Array.isArray(node)) return node.some((it) => namesAny(it, names))
  const { op, args } = node as ExpressionNode
  if (op === 'id') return names.includes(String(args))
  if (op === 'rcall' && Array.isArray(args) && LOOPS.has(String(args[0]))) {
    const [, list, [variable, ...bodies]] = args as [string, ExpressionNode, ExpressionNode[]]
    const others = names.filter((name) => name !== variable?.args)
    return namesAny(list, names) || namesAny(bodies, others)
  }
  return namesAny(args, names)
}
