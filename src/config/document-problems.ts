import { isUtf8 } from 'node:buffer'
import { readFileSync } from 'node:fs'
import type { z } from 'zod'
import { codeOf, type FaultCode, RelayFault } from '../lib/errors.ts'
import { printable } from '../lib/printable.ts'
import type { DocumentPath, YamlDocument } from './yaml-document.ts'

/** What is wrong at a place of a file that an operator writes. */
export interface PlacedProblem {
  readonly path: DocumentPath
  readonly text: string
  /** The key itself is wrong, not its value. */
  readonly isOfKey?: boolean
}

const BYTES_MAX = 1_024 * 1_024
const PROBLEMS_MAX = 200

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

/** Of alternatives the one that was meant is the one of an object, or of the list's elements. */
export function schemaProblems(issue: z.core.$ZodIssue): PlacedProblem[] {
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => ({ path: [...issue.path, key], isOfKey: true, text: 'is no key here' }))
  if (issue.code === 'invalid_union') {
    const meant = issue.errors.flat().filter((it) => it.path.length > 0)
    if (meant.length > 0)
      return meant.flatMap((it) =>
        schemaProblems({ ...it, path: [...issue.path, ...it.path] } as z.core.$ZodIssue),
      )
  }
  return [{ path: issue.path, text: issue.message }]
}

/** A fault with a line per problem, in the order of the file. */
export function documentFault(
  code: FaultCode,
  file: string,
  document: YamlDocument,
  problems: readonly PlacedProblem[],
): RelayFault {
  const placed = problems.map((it) => ({
    ...it,
    line: document.lineOf(it.path, it.isOfKey === true ? 'key' : 'value'),
  }))
  placed.sort((a, b) => a.line - b.line)
  const lines = placed
    .slice(0, PROBLEMS_MAX)
    .map(({ line, path, text }) =>
      [`${file}:${line}`, ...(path.length > 0 ? [path.join('.')] : []), text].map(printable).join(': '),
    )
  const more = problems.length - lines.length
  if (more > 0) lines.push(`and ${more} further problems`)
  return new RelayFault(code, lines.join('\n'))
}
