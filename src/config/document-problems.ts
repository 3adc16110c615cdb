import { isUtf8 } from 'node:buffer'
import { readFileSync } from 'node:fs'
import type { z } from 'zod'
import { codeOf, type FaultCode, RelayFault } from '../lib/errors.ts'
import { printable } from '../lib/printable.ts'
import { slipsBetween } from './misspelt-options.ts'
import { type DocumentPath, readYamlDocument, type YamlDocument } from './yaml-document.ts'

/** What is wrong at a place of a file that an operator writes. */
export interface PlacedProblem {
  readonly path: DocumentPath
  readonly text: string
  /** The key itself is wrong, not its value. */
  readonly isOfKey?: boolean
  /** Where nothing of the document could be read, so that no path leads to it. */
  readonly line?: number
}

/** The keys that an object may have, by the name that it stands under, itself or as an element of a list. */
export type KnownKeys = Readonly<Record<string, readonly string[]>>

export interface FileProblem {
  readonly file: string
  readonly line?: number
  readonly path?: DocumentPath
  readonly text: string
}

const BYTES_MAX = 1_024 * 1_024
const PROBLEMS_MAX = 200
const NAME_CHARACTERS_MAX = 80

/** Throws a fault of that code where the file cannot be read, is too long, or is no text. */
export function readText(path: string, code: FaultCode): Buffer {
  let bytes: Buffer
  try {
    bytes = readFileSync(path)
  } catch (error) {
    throw new RelayFault(code, `${path}: cannot be read (${codeOf(error)})`, { cause: error })
  }
  if (!isUtf8(bytes)) throw new RelayFault(code, `${path}: is not text in UTF-8`)
  if (bytes.length <= BYTES_MAX) return bytes
  throw new RelayFault(code, `${path}: has more than ${BYTES_MAX} bytes`)
}

/** A file of YAML or JSON that is as its schema wants it. Throws a fault of that code with a line per problem. */
export function readDocument<S extends z.ZodType>(
  path: string,
  { code, known, schema }: { readonly code: FaultCode; readonly known: KnownKeys; readonly schema: S },
): {
  readonly bytes: Buffer
  readonly data: z.infer<S>
  readonly refuse: (problems: readonly PlacedProblem[]) => void
} {
  const bytes = readText(path, code)
  const document = readYamlDocument(bytes.toString('utf8'))
  const refuse = (problems: readonly PlacedProblem[]): void => {
    if (problems.length === 0) return
    const placed = problems.map((it) => placedIn(document, path, it)).toSorted((a, b) => a.line - b.line)
    throw new RelayFault(code, problemLines(placed).join('\n'))
  }
  refuse(document.problems)
  const { data, error } = schema.safeParse(document.value, { error: typeProblem })
  refuse((error?.issues ?? []).flatMap((issue) => schemaProblems(issue, known)))
  return { bytes, data: data as z.infer<S>, refuse }
}

export function placedIn(
  document: YamlDocument,
  file: string,
  { isOfKey = false, line, path, text }: PlacedProblem,
): FileProblem & { readonly line: number } {
  return { file, line: line ?? document.lineOf(path, isOfKey ? 'key' : 'value'), path, text }
}

/** A line per problem, as many as anybody reads. Values are quoted by their names alone. */
export function problemLines(problems: readonly FileProblem[]): string[] {
  const lines = problems.slice(0, PROBLEMS_MAX).map(({ file, line, path = [], text }) => {
    const place = line === undefined ? file : `${file}:${line}`
    return [place, ...(path.length > 0 ? [pathText(path)] : []), text].map(printable).join(': ')
  })
  const more = problems.length - lines.length
  return more > 0 ? [...lines, `and ${more} further problems`] : lines
}

/** Such as `issuers[0].keys.file`. */
export function pathText(path: DocumentPath): string {
  return path
    .map((key, i) => (typeof key === 'number' ? `[${key}]` : `${i > 0 ? '.' : ''}${shownName(String(key))}`))
    .join('')
}

export function shownName(text: string): string {
  return text.length > NAME_CHARACTERS_MAX ? `${text.slice(0, NAME_CHARACTERS_MAX)}…` : text
}

/** What is meant where neither a schema nor zod says it for people who write YAML. */
export function typeProblem({ code, expected, values, input }: z.core.$ZodRawIssue): string | undefined {
  if (code !== 'invalid_type' && code !== 'invalid_value') return undefined
  if (input === undefined) return 'is missing'
  if (input === null) return 'is empty; give it a value, or leave it out'
  if (code === 'invalid_value')
    return `must be ${(values as string[]).join(', ').replace(/, ([^,]*)$/, ' or $1')}`
  switch (expected) {
    case 'string':
      return typeof input === 'object' ? 'must be a text' : 'must be a text; put it in quotes'
    case 'boolean':
      return 'must be true or false'
    case 'array':
      return 'must be a list'
    default:
      return 'must have keys and values'
  }
}

/** Of alternatives the one that was meant is the one of an object, or of the list's elements. */
export function schemaProblems(issue: z.core.$ZodIssue, known: KnownKeys): PlacedProblem[] {
  const { path } = issue
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => ({
      path: [...path, key],
      isOfKey: true,
      text: unknownKey(key, known[String(path.findLast((it) => typeof it === 'string') ?? '')]),
    }))
  if (issue.code === 'invalid_union') {
    const meant = issue.errors.flat().filter((it) => it.path.length > 0)
    if (meant.length > 0)
      return meant.flatMap((it) =>
        schemaProblems({ ...it, path: [...path, ...it.path] } as z.core.$ZodIssue, known),
      )
  }
  const keys =
    issue.code === 'invalid_type' && issue.expected === 'object' ? known[String(path.at(-1))] : undefined
  return [{ path, text: keys === undefined ? issue.message : `${issue.message}: ${keys.join(', ')}` }]
}

function unknownKey(key: string, known: readonly string[] = []): string {
  if (known.length === 0) return 'is no key here'
  const spelling = plain(key)
  const [nearest] = known
    .map((name) => ({ name, slips: slipsBetween(spelling, plain(name)) }))
    .filter(({ name, slips }) => slips <= (name.length < 6 ? 1 : 2))
    .sort((a, b) => a.slips - b.slips)
  return `is no key here; ${nearest === undefined ? `there are ${known.join(', ')}` : `did you mean ${nearest.name}?`}`
}

/** However its words are put together, `client_id` is `clientId`. */
function plain(key: string): string {
  return key
    .slice(0, 64)
    .replaceAll(/[-_. ]/g, '')
    .toLowerCase()
}
