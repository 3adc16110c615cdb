import { readFileSync } from 'node:fs'

/** One slip: a line as it might have been written by mistake. */
export interface Mutant {
  readonly name: string
  readonly file: string
  /** Stands in the file exactly once. */
  readonly find: string
  readonly put: string
  /** The test files that should see it; the others are run only when these do not. */
  readonly tests: readonly string[]
  /** Set for one that no test sees: why that is borne. */
  readonly unseenBecause?: string
}

/** Those of `slips.txt`, whose first lines tell how it is written. */
export function readMutants(): Mutant[] {
  const text = readFileSync(new URL('slips.txt', import.meta.url), 'utf8')
  const blocks = text
    .split(/\n\n+/)
    .map((block) => block.split('\n').filter((line) => line !== '' && !line.startsWith('#')))
    .filter((lines) => lines.length > 0)
  const mutants: Mutant[] = []
  let file = ''
  let tests: string[] = []
  for (const [name = '', ...lines] of blocks) {
    if (name.startsWith('src/')) {
      file = name
      tests = lines.map((line) => line.trim())
      continue
    }
    const reason = marked(lines, '?')
    mutants.push({
      file,
      tests,
      name,
      find: marked(lines, '-'),
      put: marked(lines, '+'),
      ...(reason !== '' && { unseenBecause: reason }),
    })
  }
  return mutants
}

function marked(lines: readonly string[], mark: string): string {
  return lines
    .filter((line) => line.startsWith(mark))
    .map((line) => line.slice(2))
    .join('\n')
}
