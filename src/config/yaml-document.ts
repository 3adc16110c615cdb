import { isAlias, isMap, isPair, isScalar, isSeq, LineCounter, type Node, parseDocument } from 'yaml'

export type DocumentPath = readonly PropertyKey[]

export interface DocumentProblem {
  readonly line: number
  readonly path: DocumentPath
  readonly text: string
}

/** What a text of YAML, or JSON, which is YAML, says, and on which lines. */
export interface YamlDocument {
  /** Of lists, objects and scalars alone, and nowhere deeper than `DEPTH_MAX`. Nothing where there are problems. */
  readonly value: unknown
  readonly problems: readonly DocumentProblem[]
  readonly hasAliases?: boolean
  /** The line of a value, of a key (`of`), or of the closest that there is above it; it counts from 1. */
  lineOf(path: DocumentPath, of?: 'key' | 'value'): number
}

const DEPTH_MAX = 32
/** The package quotes what it does not understand, whatever its length. */
const MESSAGE_CHARACTERS_MAX = 120
/** Aliases of aliases would let a few lines stand for more than any memory holds. */
const ALIASED_VALUES_MAX = 1_000_000

interface Anchored {
  readonly node: Node
  value: unknown
  /** Values that it stands for, those of its own aliases among them. Undefined until it is read to its end. */
  size?: number
}

/** Such as `{tenant}` outside of quotes, which YAML takes for a map. */
const BARE_BRACES = /^[^'"#]*\{\w+\}/

/** Never throws: what cannot be read is a problem. */
export function readYamlDocument(text: string): YamlDocument {
  return new Reader(text)
}

class Reader implements YamlDocument {
  readonly value: unknown
  readonly problems: DocumentProblem[] = []
  readonly #contents: Node | null
  readonly #lines = new LineCounter()
  readonly #anchors = new Map<string, Anchored>()
  readonly #targets = new Map<Node, Node>()
  #size = 0
  #aliasedSize = 0

  constructor(text: string) {
    const { contents, errors, warnings } = parseDocument(text, {
      lineCounter: this.#lines,
      // They are looked for here: the package compares each key with every other of its map.
      uniqueKeys: false,
      // Dates, binary and sets have no place here; their tags are problems.
      resolveKnownTags: false,
      prettyErrors: false,
    })
    this.#contents = contents
    // After a mistake of syntax nothing stands where it was meant to, further mistakes of syntax included.
    const [mistake] = [...errors, ...warnings].sort((a, b) => a.pos[0] - b.pos[0])
    if (mistake !== undefined) {
      const { code, pos, message } = mistake
      const { line } = this.#lines.linePos(pos[0])
      const hint = BARE_BRACES.test(text.split('\n')[line - 1] ?? '')
        ? '; put a value with braces in it in quotes'
        : ''
      this.problems.push({ line, path: [], text: `${syntaxProblem(code, message)}${hint}` })
      return
    }
    const value = this.#read(contents, [])
    if (this.problems.length === 0) this.value = value
  }

  get hasAliases(): boolean {
    return this.#targets.size > 0
  }

  lineOf(path: DocumentPath, of: 'key' | 'value' = 'value'): number {
    let offset = offsetOf(this.#contents) ?? 0
    let node = this.#contents
    for (const [i, key] of path.entries()) {
      const collection = (node && this.#targets.get(node)) ?? node
      let next: unknown
      if (isMap(collection)) {
        const pair = collection.items.find((it) => keyText(it.key) === key)
        const isKeyMeant = of === 'key' && i === path.length - 1
        next = isKeyMeant ? pair?.key : (pair?.value ?? pair?.key)
      } else if (isSeq(collection)) next = collection.items[Number(key)]
      node = (next ?? null) as Node | null
      if (node === null) break
      offset = offsetOf(node) ?? offset
    }
    return this.#lines.linePos(offset).line
  }

  #read(node: Node | null, path: DocumentPath): unknown {
    this.#size++
    if (node === null) return null
    if (isAlias(node)) return this.#readAlias(node, node.source, path)
    if (path.length > DEPTH_MAX) {
      this.#complain(node, path.slice(0, 1), `is nested in more than ${DEPTH_MAX} levels`)
      return undefined
    }
    const before = this.#size
    const anchored: Anchored = { node, value: undefined }
    const { anchor } = node as { anchor?: string }
    if (anchor !== undefined) this.#anchors.set(anchor, anchored)
    anchored.value = this.#content(node, path)
    anchored.size = this.#size - before + 1
    return anchored.value
  }

  #content(node: Node, path: DocumentPath): unknown {
    if (isSeq(node)) return node.items.map((item, i) => this.#read(item as Node | null, [...path, i]))
    if (isMap(node)) return this.#entries(node.items, path)
    return isScalar(node) ? node.value : undefined
  }

  #entries(items: readonly unknown[], path: DocumentPath): object {
    const entries = new Map<string, unknown>()
    for (const item of items) {
      if (!isPair(item)) continue
      const key = keyText(item.key)
      const at = (item.key ?? item.value) as Node | null
      if (key === undefined) {
        this.#complain(at, path, 'has a key that is no text')
        continue
      }
      // The second is not read, as one of the two is a mistake.
      if (entries.has(key)) this.#complain(at, [...path, key], 'stands here twice; keep one of them')
      else entries.set(key, this.#read(item.value as Node | null, [...path, key]))
    }
    // Not by assignment, which has a meaning of its own for `__proto__`.
    return Object.fromEntries(entries)
  }

  #readAlias(node: Node, name: string, path: DocumentPath): unknown {
    const anchored = this.#anchors.get(name)
    if (anchored?.size === undefined) {
      const problem =
        anchored === undefined ? 'names no anchor above it' : 'names what it is itself a part of'
      this.#complain(node, path, `is an alias that ${problem}`)
      return undefined
    }
    this.#targets.set(node, anchored.node)
    this.#size += anchored.size
    const aliasedBefore = this.#aliasedSize
    this.#aliasedSize += anchored.size
    if (this.#aliasedSize > ALIASED_VALUES_MAX && aliasedBefore <= ALIASED_VALUES_MAX) {
      this.#complain(node, path, 'is an alias with which aliases stand for more than 1,000,000 values')
    }
    return anchored.value
  }

  #complain(node: Node | null, path: DocumentPath, text: string): void {
    const offset = offsetOf(node)
    const line = offset === undefined ? this.lineOf(path) : this.#lines.linePos(offset).line
    this.problems.push({ line, path, text })
  }
}

function offsetOf(node: Node | null): number | undefined {
  return node?.range?.[0]
}

/** As JavaScript would name the property. Undefined for a list, an object or an alias. */
function keyText(key: unknown): string | undefined {
  return isScalar(key) ? String(key.value) : undefined
}

function syntaxProblem(code: string, message: string): string {
  if (code === 'MULTIPLE_DOCS')
    return 'is the beginning of a second document; make one of them, without `---`'
  if (code === 'RESOURCE_EXHAUSTION') return 'is nested too deeply'
  return `is not valid YAML: ${message.slice(0, MESSAGE_CHARACTERS_MAX)}`
}
