/** A node of CEL's syntax tree. */
export interface ExpressionNode {
  readonly op: string
  readonly args: unknown
  readonly start: number
  readonly end: number
}

/** Macros that go through a list. */
export const LOOPS = new Set(['all', 'exists', 'exists_one', 'map', 'filter'])
/** Methods whose time grows with their text or list. */
const LONG_METHODS = new Set(['contains', 'join', 'lowerAscii', 'size', 'split', 'trim', 'upperAscii'])
const OPTIONAL_METHODS = new Set(['hasValue', 'none', 'of', 'or', 'orValue', 'value'])
/** Functions whose time grows with their arguments, beside ours, which spend by themselves. */
const LONG_FUNCTIONS = new Set(['bool', 'double', 'int', 'size', 'string'])
const COMPARISONS = new Set(['==', '!=', '<', '<=', '>', '>='])
const LOGICAL = new Set(['&&', '||'])
const ACCESS = new Set(['.', '.?', '[]', '[?]'])
/** Units of a node in the body of a loop. */
const UNITS_PER_NODE = 30
/** Of a failure there, which `all`, `exists` and alternatives go past, beside what it takes to find its place in the expression. */
const UNITS_PER_FAILURE = 800
const CHARACTERS_PER_UNIT = 3

/**
 * Prints an expression with calls of `sized` and `looped` in it, which spend before something is done that takes longer for a larger
 * record. With `isRepeated` it is evaluated for each element of a list.
 */
export function metered(source: string, root: ExpressionNode, isRepeated: boolean): string {
  const inLoop = new Printer(source, true)
  return isRepeated ? inLoop.print(root) : new Printer(source, false, inLoop).print(root)
}

class Printer {
  readonly #source: string
  readonly #isInLoop: boolean
  readonly #inLoop: Printer

  constructor(source: string, isInLoop: boolean, inLoop?: Printer) {
    this.#source = source
    this.#isInLoop = isInLoop
    this.#inLoop = inLoop ?? this
  }

  print(node: ExpressionNode): string {
    const { op } = node
    const args = node.args as readonly ExpressionNode[]
    switch (op) {
      case 'value':
        return this.#source.slice(node.start, node.end)
      case 'id':
        return String(node.args)
      case '.':
      case '.?':
        return `${this.#path(args[0])}${op}${String(args[1])}`
      case '[]':
        return `${this.#path(args[0])}[${this.#operand(args[1])}]`
      case '[?]':
        return `${this.#path(args[0])}[?${this.#operand(args[1])}]`
      case '!_':
        return `!(${this.#operand(node.args as ExpressionNode)})`
      case '-_':
        return `-(${this.#operand(node.args as ExpressionNode)})`
      case 'list':
        return `[${args.map((it) => this.#operand(it)).join(', ')}]`
      case 'map':
        return `{${(node.args as ExpressionNode[][]).map(([key, it]) => `${this.#operand(key)}: ${this.#operand(it)}`).join(', ')}}`
      case '?:':
        return `((${this.#operand(args[0])}) ? (${this.#operand(args[1])}) : (${this.#operand(args[2])}))`
      case 'call':
        return this.#call(node.args as [string, readonly ExpressionNode[]])
      case 'rcall':
        return this.#method(node.args as [string, ExpressionNode, readonly ExpressionNode[]])
      default:
        return this.#binary(op, args as readonly [ExpressionNode, ExpressionNode])
    }
  }

  #binary(op: string, [left, right]: readonly [ExpressionNode, ExpressionNode]): string {
    if (LOGICAL.has(op)) return `(${this.#operand(left)} ${op} ${this.#operand(right)})`
    const isLong = !isWritten(left) && !isWritten(right)
    // Equality goes no further than the shorter of the two.
    const isLeftLong = isLong && (op === '+' || COMPARISONS.has(op))
    const isRightLong = op === 'in' ? !isWritten(right) : isLong && op === '+'
    return `(${this.#operand(left, isLeftLong)} ${op} ${this.#operand(right, isRightLong)})`
  }

  #call([name, args]: [string, readonly ExpressionNode[]]): string {
    if (name === 'has') return `has(${args.map((it) => this.print(it)).join(', ')})`
    return `${name}(${args.map((it) => this.#operand(it, LONG_FUNCTIONS.has(name))).join(', ')})`
  }

  #method([name, receiver, args]: [string, ExpressionNode, readonly ExpressionNode[]]): string {
    if (LOOPS.has(name)) {
      const [variable, ...bodies] = args as [ExpressionNode, ...ExpressionNode[]]
      const units = UNITS_PER_NODE * (1 + sum(bodies.map(countNodes)))
      const failures = (name === 'all' || name === 'exists' ? 1 : 0) + sum(bodies.map(countAlternatives))
      const perFailure = UNITS_PER_FAILURE + this.#source.length / CHARACTERS_PER_UNIT
      const perElement = Math.ceil(units + failures * perFailure)
      const printed = bodies.map((it) => this.#inLoop.#operand(it))
      return `looped(${this.print(receiver)}, ${perElement}).${name}(${[this.print(variable), ...printed].join(', ')})`
    }
    const given = args.map((it) => this.#operand(it)).join(', ')
    if (OPTIONAL_METHODS.has(name)) return `${this.#path(receiver)}.${name}(${given})`
    return `(${this.#operand(receiver, LONG_METHODS.has(name))}).${name}(${given})`
  }

  /** Within a loop whatever is read from the record is metered, as it is read so often. */
  #operand(node: ExpressionNode | undefined, isLong = false): string {
    if (node === undefined) return ''
    const printed = this.print(node)
    const isMetered = (isLong || (this.#isInLoop && isRead(node))) && !isWritten(node)
    return isMetered ? `sized(${printed})` : printed
  }

  /** What a member is read from: nothing of it is looked at but that member. */
  #path(node: ExpressionNode | undefined): string {
    return node === undefined ? '' : `(${this.print(node)})`
  }
}

/** A constant, whose length the expression bounds. */
export function isWritten({ op, args }: ExpressionNode): boolean {
  if (op === 'value') return true
  return op === 'list' && (args as readonly ExpressionNode[]).every(isWritten)
}

function isRead({ op, args }: ExpressionNode): boolean {
  if (op === 'rcall') return !LOOPS.has((args as readonly string[])[0] ?? '')
  return op === 'id' || op === 'call' || ACCESS.has(op)
}

function countNodes(node: ExpressionNode): number {
  return 1 + sum(below(node).map(countNodes))
}

/** Where one side may fail and the other decides. */
function countAlternatives(node: ExpressionNode): number {
  return (LOGICAL.has(node.op) ? 1 : 0) + sum(below(node).map(countAlternatives))
}

function below({ args }: ExpressionNode): readonly ExpressionNode[] {
  return (Array.isArray(args) ? args.flat(2) : [args]).filter(isNode)
}

function isNode(value: unknown): value is ExpressionNode {
  return typeof value === 'object' && value !== null && 'op' in value
}

function sum(counts: readonly number[]): number {
  return counts.reduce((all, it) => all + it, 0)
}
