import { setImmediate } from 'node:timers/promises'
import { type DocumentPath, readYamlDocument, type YamlDocument } from './yaml-document.ts'

const DEPTH_MAX = 32
const PIECE_CHARACTERS = 16_384

/**
 * Reads what `readYamlDocument` reads, in the two forms that long documents have at a fraction of its memory and without
 * holding the thread for long: the parser takes a hundred times the room of a text, until its end.
 */
export async function readLongYaml(text: string): Promise<YamlDocument> {
  const quick = plainJson(text) ?? (await piecewise(text))
  return quick === undefined ? readYamlDocument(text) : new QuickDocument(quick, text)
}

interface QuickValue {
  readonly value: object
  readonly lines: readonly ElementLines[]
}

/** Where an element of the list begins, and each of its keys. */
interface ElementLines {
  readonly line: number
  readonly keys: ReadonlyMap<string, number>
}

/** Without problems of its own; where values stand within an element is looked up only when they are wrong. */
class QuickDocument implements YamlDocument {
  readonly value: unknown
  readonly problems = []
  readonly #lines: readonly ElementLines[]
  readonly #text: string
  #parsed: YamlDocument | undefined

  constructor({ value, lines }: QuickValue, text: string) {
    this.value = value
    this.#lines = lines
    this.#text = text
  }

  lineOf(path: DocumentPath, of?: 'key' | 'value'): number {
    const [, element, key] = path
    const known = typeof element === 'number' ? this.#lines[element] : undefined
    if (known !== undefined && path.length === 2) return known.line
    const line = path.length === 3 && of === 'key' ? known?.keys.get(String(key)) : undefined
    if (line !== undefined) return line
    this.#parsed ??= readYamlDocument(this.#text)
    return this.#parsed.lineOf(path, of)
  }
}

/** Undefined where the text is no JSON, or where an object has a key twice, of which `JSON.parse` says nothing. */
function plainJson(text: string): QuickValue | undefined {
  if (!/^\s*\{/.test(text)) return undefined
  try {
    const value: object = JSON.parse(text)
    // Each string to its end, so that none is begun in the middle; only a key has a colon behind it.
    const string = /"[^"\\]*(?:\\.[^"\\]*)*"(?:\s*:)?/g
    let keys = 0
    while (string.test(text)) if (text[string.lastIndex - 1] === ':') keys++
    return keys === keysIn(value, 0) ? { value, lines: elementLines(text, value) } : undefined
  } catch {
    return undefined
  }
}

/** Of each object in the list that the outermost object holds alone, the lines of it; nothing of other forms. */
function elementLines(text: string, value: object): ElementLines[] {
  const [list, ...more] = Object.values(value)
  const lines: { line: number; keys: Map<string, number> }[] = []
  const token = /("[^"\\]*(?:\\.[^"\\]*)*")(\s*:)?|[[\]{}\n]/g
  let [line, depth] = [1, 0]
  for (let match = token.exec(text); match !== null; match = token.exec(text)) {
    const [found, string, colon] = match
    if (string !== undefined) {
      if (depth === 3 && colon !== undefined) lines.at(-1)?.keys.set(JSON.parse(string), line)
      line += linesIn(colon ?? '')
    } else if (found === '\n') line++
    else if (found === '{' || found === '[') {
      if (++depth === 3) lines.push({ line, keys: new Map() })
    } else if (found === '}' || found === ']') depth--
  }
  return Array.isArray(list) && list.length === lines.length && more.length === 0 ? lines : []
}

function keysIn(value: unknown, depth: number): number {
  if (typeof value !== 'object' || value === null) return 0
  if (depth > DEPTH_MAX) return Number.NaN
  const below = Object.values(value)
  return below.reduce((sum, it) => sum + keysIn(it, depth + 1), Array.isArray(value) ? 0 : below.length)
}

/**
 * One key and its list, in pieces between two elements. Lines that belong to an element stand further in than its dash, so no
 * piece ends in the middle of one unless it is wrong, or flows over lines; then it is undefined, as with aliases, which may
 * mean something in another piece, and with marks of documents.
 */
async function piecewise(text: string): Promise<QuickValue | undefined> {
  const head =
    /^(?:---[ \t]*\r?\n)?(?:[ \t]*(?:#.*)?\r?\n)*(\w+):[ \t]*(?:#.*)?\r?\n(?:[ \t]*(?:#.*)?\r?\n)*( *)(?=- )/.exec(
      text,
    )
  if (head === null) return undefined
  const [{ length }, key = '', indent = ''] = head
  const start = length - indent.length
  if (/\n(?:---|\.\.\.)/.test(text.slice(start))) return undefined
  const elements: unknown[] = []
  const lines: ElementLines[] = []
  let before = linesIn(text.slice(0, start))
  for (const piece of piecesOf(text, start, `\n${indent}- `)) {
    const read = readYamlDocument(piece)
    const { value, problems, hasAliases } = read
    if (problems.length > 0 || hasAliases || !Array.isArray(value)) return undefined
    for (const [i, element] of value.entries()) {
      elements.push(element)
      const names = typeof element === 'object' && !Array.isArray(element) ? Object.keys(element ?? {}) : []
      const keys = names.map((name) => [name, before + read.lineOf([i, name], 'key')] as const)
      lines.push({ line: before + read.lineOf([i]), keys: new Map(keys) })
    }
    before += linesIn(piece)
    await setImmediate()
  }
  return { value: { [key]: elements }, lines }
}

function linesIn(text: string): number {
  let count = 0
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) count++
  return count
}

function* piecesOf(text: string, start: number, beginning: string): Generator<string> {
  for (let at = start; at < text.length; ) {
    const next = text.indexOf(beginning, at + PIECE_CHARACTERS)
    const end = next === -1 ? text.length : next + 1
    yield text.slice(at, end)
    at = end
  }
}
